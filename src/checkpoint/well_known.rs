//! Well-known published checkpoints: what they are, and how to get each.

/// A published checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Its name where it is published.
    pub name: &'static str,
    pub release: Release,
    pub data: &'static str,
    /// Height and width of its images.
    pub side: usize,
    pub network: &'static str,
    /// Millions of parameters; 0 where unknown.
    pub millions: f64,
}

/// Who published it, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    ScoreSde,
    Diffusers,
    Edm,
    Guided,
    Dit,
    Ncsnv2,
    Ncsn,
}

impl Release {
    pub const ALL: [Release; 7] = [
        Release::ScoreSde,
        Release::Diffusers,
        Release::Edm,
        Release::Guided,
        Release::Dit,
        Release::Ncsnv2,
        Release::Ncsn,
    ];

    /// Display name.
    pub fn name(self) -> &'static str {
        match self {
            Release::ScoreSde => "score_sde (Song et al. 2021)",
            Release::Diffusers => "diffusers (Ho et al. 2020; Song et al. 2021)",
            Release::Edm => "EDM (Karras et al. 2022)",
            Release::Guided => "guided-diffusion (Dhariwal and Nichol 2021)",
            Release::Dit => "DiT (Peebles and Xie 2023), in the latents of an autoencoder",
            Release::Ncsnv2 => "NCSNv2 (Song and Ermon 2020)",
            Release::Ncsn => "NCSN (Song and Ermon 2019)",
        }
    }

    /// Its licence.
    pub fn licence(self) -> &'static str {
        match self {
            Release::ScoreSde | Release::Diffusers => "Apache 2.0",
            Release::Edm => "CC BY-NC-SA 4.0",
            Release::Dit => "CC BY-NC 4.0",
            Release::Guided | Release::Ncsnv2 => "MIT",
            Release::Ncsn => "see the project page",
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
            Release::Guided => "https://github.com/openai/guided-diffusion".into(),
            Release::Dit => "https://github.com/facebookresearch/DiT".into(),
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
            Release::Guided | Release::Dit => format!("{}.pt", self.name),
            Release::Ncsnv2 | Release::Ncsn => "checkpoint_N.pth".into(),
        }
    }

    /// How to get it, step by step.
    pub fn steps(&self) -> Vec<String> {
        let open = |what: &str| format!("Open {what} in the window, or pass its path to --model or to import.");
        match self.release {
            Release::ScoreSde => vec![
                format!("Download a checkpoint from {}/ in the Google Drive folder that the page links to.", self.name),
                open("the .pth file"),
                "Check the family, data range and largest σ, which are assumed. Or first save its configuration beside it, \
                 from the file of that name in the repository's configs/: \
                 `json.dump(get_config().to_dict(), open(\"checkpoint_N.json\", \"w\"))`"
                    .into(),
            ],
            Release::Diffusers => vec![
                format!("Run `hf download {} --local-dir {}`.", self.name, self.name.replace('/', "-")),
                open("the folder"),
            ],
            Release::Edm => vec![
                format!("Download {}.pkl from the link under \"Pre-trained models\" on the page.", self.name),
                "Loading a .pkl executes code. If you trust it, convert it once, in a checkout of the repository: \
                 `net = pickle.load(open(\"FILE.pkl\", \"rb\"))[\"ema\"]; safetensors.torch.save_file({name: \
                 value.contiguous() for name, value in net.state_dict().items()}, \"FILE.safetensors\", \
                 {\"class\": type(net).__name__})`."
                    .into(),
                open("the .safetensors file"),
            ],
            Release::Dit => vec![format!("Download {}.pt from the link on the page.", self.name), open("the .pt file")],
            Release::Guided => vec![
                format!("Download {}.pt from the link on the page.", self.name),
                open("the .pt file"),
                "Check the size, the width or number of its attention's heads and the noise schedule, which are assumed: \
                 import it with `--set adm.num_heads=4` if it has 4."
                    .into(),
            ],
            Release::Ncsnv2 | Release::Ncsn => vec![
                "Download the checkpoints that the page links to.".into(),
                "Keep config.yml beside the checkpoint, as downloaded.".into(),
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
pub const PUBLISHED: [Published; 47] = [
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
    entry(Release::Edm, "edm-imagenet-64x64-cond-adm", "ImageNet", 64, "ADM, EDM, 1000 classes", 295.9),
    entry(Release::Guided, "64x64_diffusion", "ImageNet", 64, "ADM, cosine, 1000 levels and classes", 295.9),
    entry(Release::Guided, "128x128_diffusion", "ImageNet", 128, "ADM, VP, 1000 levels and classes", 421.5),
    entry(Release::Guided, "256x256_diffusion", "ImageNet", 256, "ADM, VP, 1000 levels and classes", 553.8),
    entry(Release::Guided, "512x512_diffusion", "ImageNet", 512, "ADM, VP, 1000 levels and classes", 559.0),
    entry(Release::Guided, "256x256_diffusion_uncond", "ImageNet", 256, "ADM, VP, 1000 levels", 552.8),
    entry(Release::Guided, "lsun_bedroom", "LSUN bedroom", 256, "ADM, VP, 1000 levels", 552.8),
    entry(Release::Guided, "lsun_cat", "LSUN cat", 256, "ADM, VP, 1000 levels", 552.8),
    entry(Release::Guided, "lsun_horse", "LSUN horse", 256, "ADM, VP, 1000 levels", 552.8),
    entry(Release::Dit, "DiT-XL-2-256x256", "ImageNet, 4×32×32 latents", 32, "DiT, VP, 1000 levels and classes", 675.0),
    entry(Release::Dit, "DiT-XL-2-512x512", "ImageNet, 4×64×64 latents", 64, "DiT, VP, 1000 levels and classes", 675.0),
    entry(Release::Ncsnv2, "cifar10", "CIFAR-10", 32, "NCSNv2", 29.7),
    entry(Release::Ncsnv2, "celeba", "CelebA", 64, "NCSNv2", 29.7),
    entry(Release::Ncsnv2, "church", "LSUN church", 96, "NCSNv2", 83.4),
    entry(Release::Ncsnv2, "ffhq", "FFHQ", 256, "NCSNv2", 94.1),
    entry(Release::Ncsn, "cifar10", "CIFAR-10", 32, "NCSN, 10 levels", 30.1),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::tensors::MAX_VALUES;

    /// With learnt variances, tables of classes and what is stored besides.
    #[test]
    fn every_published_network_fits_into_what_is_read_of_a_file() {
        for known in &PUBLISHED {
            assert!(1.2e6 * known.millions < MAX_VALUES as f64, "{} of {} million", known.name, known.millions);
        }
    }
}
