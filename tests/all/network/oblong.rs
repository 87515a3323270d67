//! Networks of images that are not square.

use super::{build, build_of_tensors, image, noise, relative_error, values};
use burn::tensor::Device;
use score_explorer::checkpoint::open_network;
use score_explorer::network::Array;
use score_explorer::score::ScoreModel;

/// By the CPU's own layers as by tensor operations.
#[test]
fn oblong_images_are_computed_as_square_ones_are() {
    let device = Device::flex();
    for (name, width) in [("diffusers/ddpm", 16), ("diffusers/ncsnpp", 4), ("diffusers/heads", 24)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let mut opened = open_network(&path, None).unwrap();
        let mut config = opened.description.config.unet().unwrap().clone();
        config.image_width = Some(width);
        config.check().unwrap();
        opened.description.config = config.into();
        let model = build(&opened, &device);
        assert_eq!(model.shape(), [3, 8, width]);
        let shape = vec![2, 3, 8, width];
        let x = image(&Array { values: noise(shape.iter().product(), 1), shape }, &device);
        let at = [opened.description.family.sde().level(0.5)];
        let own = values(model.score(&x, &at).unwrap());
        let tensors = values(build_of_tensors(&opened, &device).score(&x, &at).unwrap());
        // Single precision, summed in another order.
        let error = relative_error(&own, &tensors);
        assert!(error < 1e-4, "{name}: {error}");
    }
}
