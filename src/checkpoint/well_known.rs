//! The published checkpoints that people ask for first: what they are, and how to get each.

/// A published checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Its name where it is published.
    pub name: &'static str,
    pub release: Release,
    pub data: &'static str,
    /// Height and width of its pictures.
    pub side: usize,
    pub network: &'static str,
    /// Millions of parameters; 0 where that is not known here.
    pub millions: f64,
}

/// Who published it, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    ScoreSde,
    Diffusers,
    Edm,
    Ncsnv2,
    Ncsn,
}

impl Release {
    pub const ALL: [Release; 5] = [Release::ScoreSde, Release::Diffusers, Release::Edm, Release::Ncsnv2, Release::Ncsn];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Release::ScoreSde => "score_sde (Song et al. 2021)",
            Release::Diffusers => "diffusers (Ho et al. 2020; Song et al. 2021)",
            Release::Edm => "EDM (Karras et al. 2022)",
            Release::Ncsnv2 => "NCSNv2 (Song and Ermon 2020)",
            Release::Ncsn => "NCSN (Song and Ermon 2019)",
        }
    }

    /// What its authors say of use.
    pub fn licence(self) -> &'static str {
        match self {
            Release::ScoreSde | Release::Diffusers => "Apache 2.0",
            Release::Edm => "CC BY-NC-SA 4.0",
            Release::Ncsnv2 => "MIT",
            Release::Ncsn => "see its page",
        }
    }
}

impl Published {
    /// Where its authors publish it.
    pub fn page(&self) -> String {
        match self.release {
            Release::ScoreSde => "https://github.com/yang-song/score_sde_pytorch".into(),
            Release::Diffusers => format!("https://huggingface.co/{}", self.name),
            Release::Edm => "https://github.com/NVlabs/edm".into(),
            Release::Ncsnv2 => "https://github.com/ermongroup/ncsnv2".into(),
            Release::Ncsn => "https://github.com/ermongroup/ncsn".into(),
        }
    }

    /// The file or folder to open.
    pub fn file(&self) -> String {
        match self.release {
            Release::ScoreSde => format!("{}/checkpoint_N.pth", self.name),
            Release::Diffusers => format!("{}/ with config.json", self.name.rsplit('/').next().unwrap_or(self.name)),
            Release::Edm => format!("{}.safetensors", self.name),
            Release::Ncsnv2 | Release::Ncsn => "checkpoint_N.pth".into(),
        }
    }

    /// What to do to use it here, in order.
    pub fn steps(&self) -> Vec<String> {
        let open = |what: &str| format!("Open {what} here, or drop it on the window.");
        match self.release {
            Release::ScoreSde => vec![
                format!("From the Google Drive folder that the page links to, take a checkpoint from {}/.", self.name),
                open("the .pth file"),
                "Its family, range and largest σ are assumed, and shown to be corrected. Or save its configuration beside \
                 it first, from the file of its name in the page's configs/: \
                 `json.dump(get_config().to_dict(), open(\"checkpoint_N.json\", \"w\"))`"
                    .into(),
            ],
            Release::Diffusers => vec![
                format!("Run `hf download {} --local-dir {}`.", self.name, self.name.replace('/', "-")),
                open("the folder"),
            ],
            Release::Edm => vec![
                format!("Download {}.pkl from the address under \"Pre-trained models\" on the page.", self.name),
                "A .pkl runs code when it is read, so convert it once where you confidence it, with the page's code at hand: \
                 `net = pickle.load(open(\"FILE.pkl\", \"rb\"))[\"ema\"]; safetensors.torch.save_file({name: \
                 value.contiguous() for name, value in net.state_dict().items()}, \"FILE.safetensors\", \
                 {\"class\": type(net).__name__})`."
                    .into(),
                open("the .safetensors file"),
            ],
            Release::Ncsnv2 | Release::Ncsn => vec![
                "Download the checkpoints that the page links to.".into(),
                "Leave config.yml beside the checkpoint, as it is in the download.".into(),
                open("the .pth file"),
            ],
        }
    }
}

const fn entry(
    release: Release,
    name: &'static str,
    data: &'static str,
    side: usize,
    network: &'static str,
    millions: f64,
) -> Published {
    Published { name, release, data, side, network, millions }
}

/// All of them, by release.
pub const PUBLISHED: [Published; 36] = [
    entry(Release::ScoreSde, "ve/cifar10_ncsnpp", "CIFAR-10", 32, "NCSN++, VE, 1000 levels", 62.7),
    entry(Release::ScoreSde, "ve/cifar10_ncsnpp_continuous", "CIFAR-10", 32, "NCSN++, VE", 62.8),
    entry(Release::ScoreSde, "ve/cifar10_ncsnpp_deep_continuous", "CIFAR-10", 32, "NCSN++ deep, VE", 107.6),
    entry(Release::ScoreSde, "vp/cifar10_ddpm", "CIFAR-10", 32, "DDPM, VP, 1000 levels", 35.2),
    entry(Release::ScoreSde, "vp/cifar10_ddpm_continuous", "CIFAR-10", 32, "DDPM, VP", 35.2),
    entry(Release::ScoreSde, "vp/cifar10_ddpmpp", "CIFAR-10", 32, "DDPM++, VP, 1000 levels", 61.8),
    entry(Release::ScoreSde, "vp/cifar10_ddpmpp_continuous", "CIFAR-10", 32, "DDPM++, VP", 61.8),
    entry(Release::ScoreSde, "vp/cifar10_ddpmpp_deep_continuous", "CIFAR-10", 32, "DDPM++ deep, VP", 106.6),
    entry(Release::ScoreSde, "subvp/cifar10_ddpm_continuous", "CIFAR-10", 32, "DDPM, sub-VP", 35.2),
    entry(Release::ScoreSde, "subvp/cifar10_ddpmpp_continuous", "CIFAR-10", 32, "DDPM++, sub-VP", 61.8),
    entry(Release::ScoreSde, "subvp/cifar10_ddpmpp_deep_continuous", "CIFAR-10", 32, "DDPM++ deep, sub-VP", 106.6),
    entry(Release::ScoreSde, "ve/bedroom_ncsnpp_continuous", "LSUN bedroom", 256, "NCSN++, VE", 65.6),
    entry(Release::ScoreSde, "ve/church_ncsnpp_continuous", "LSUN church", 256, "NCSN++, VE", 65.6),
    entry(Release::ScoreSde, "ve/celebahq_256_ncsnpp_continuous", "CelebA-HQ", 256, "NCSN++, VE", 65.6),
    entry(Release::ScoreSde, "ve/ffhq_256_ncsnpp_continuous", "FFHQ", 256, "NCSN++, VE", 65.6),
    entry(Release::ScoreSde, "ve/ffhq_1024_ncsnpp_continuous", "FFHQ", 1024, "NCSN++, VE", 105.8),
    entry(Release::Diffusers, "google/ddpm-cifar10-32", "CIFAR-10", 32, "DDPM, VP, 1000 levels", 35.7),
    entry(Release::Diffusers, "google/ddpm-celebahq-256", "CelebA-HQ", 256, "DDPM, VP, 1000 levels", 113.7),
    entry(Release::Diffusers, "google/ddpm-church-256", "LSUN church", 256, "DDPM, VP, 1000 levels", 113.7),
    entry(Release::Diffusers, "google/ddpm-bedroom-256", "LSUN bedroom", 256, "DDPM, VP, 1000 levels", 113.7),
    entry(Release::Diffusers, "google/ncsnpp-celebahq-256", "CelebA-HQ", 256, "NCSN++, VE", 65.6),
    entry(Release::Diffusers, "google/ncsnpp-church-256", "LSUN church", 256, "NCSN++, VE", 65.6),
    entry(Release::Diffusers, "google/ncsnpp-bedroom-256", "LSUN bedroom", 256, "NCSN++, VE", 65.6),
    entry(Release::Diffusers, "google/ncsnpp-ffhq-256", "FFHQ", 256, "NCSN++, VE", 65.6),
    entry(Release::Diffusers, "google/ncsnpp-ffhq-1024", "FFHQ", 1024, "NCSN++, VE", 105.8),
    entry(Release::Edm, "edm-cifar10-32x32-uncond-vp", "CIFAR-10", 32, "DDPM++, EDM", 55.7),
    entry(Release::Edm, "edm-cifar10-32x32-uncond-ve", "CIFAR-10", 32, "NCSN++, EDM", 56.4),
    entry(Release::Edm, "edm-ffhq-64x64-uncond-vp", "FFHQ", 64, "DDPM++, EDM", 61.8),
    entry(Release::Edm, "edm-ffhq-64x64-uncond-ve", "FFHQ", 64, "NCSN++, EDM", 0.0),
    entry(Release::Edm, "edm-afhqv2-64x64-uncond-vp", "AFHQ v2", 64, "DDPM++, EDM", 61.8),
    entry(Release::Edm, "edm-afhqv2-64x64-uncond-ve", "AFHQ v2", 64, "NCSN++, EDM", 0.0),
    entry(Release::Ncsnv2, "cifar10", "CIFAR-10", 32, "NCSNv2", 29.7),
    entry(Release::Ncsnv2, "celeba", "CelebA", 64, "NCSNv2", 29.7),
    entry(Release::Ncsnv2, "church", "LSUN church", 96, "NCSNv2", 83.4),
    entry(Release::Ncsnv2, "ffhq", "FFHQ", 256, "NCSNv2", 94.1),
    entry(Release::Ncsn, "cifar10", "CIFAR-10", 32, "NCSN, 10 levels", 30.1),
];
