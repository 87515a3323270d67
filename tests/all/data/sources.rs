//! Where pictures come from, and what a network gets of them.

use image::RgbImage;
use score_explorer::checkpoint::{Classes, PictureSet, ReadProgress};
use score_explorer::data::{Data, DataSource, Order, Place, Preparation};
use score_explorer::sde::Range;
use std::fs;
use std::path::Path;

const PLAIN: Preparation = Preparation { range: Range::Unit, flips: false, dequantises: false };

fn open(text: &str) -> Data {
    text.parse::<DataSource>().unwrap().open(&ReadProgress::default()).unwrap()
}

/// A set of pictures all of whose levels are their number, of three classes.
fn numbered(count: usize) -> Data {
    let values = (0..count).flat_map(|number| [number as u8; 12]).collect();
    let names = (0..count).map(|number| number.to_string()).collect();
    let labels = (0..count).map(|number| number as u32 % 3).collect();
    let classes = Classes { names: ["a", "b", "c"].map(str::to_owned).to_vec(), labels };
    Data::set(PictureSet { shape: [3, 2, 2], values, names, classes: Some(classes), warnings: Vec::new() })
}

#[test]
fn a_source_is_the_same_text_and_the_same_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("odd:test");
    fs::create_dir(&named).unwrap();
    let files = |path: &Path, is_test| Place::Files { path: path.into(), is_test };
    let texts = [
        ("worlds:32".to_owned(), Place::Worlds(32)),
        ("worlds:64".to_owned(), Place::Worlds(64)),
        ("photos".to_owned(), files(Path::new("photos"), false)),
        ("cifar-10-binary.tar.gz:test".to_owned(), files(Path::new("cifar-10-binary.tar.gz"), true)),
        // What is there by that name is meant.
        (named.display().to_string(), files(&named, false)),
    ];
    for (text, place) in texts {
        let source: DataSource = text.parse().unwrap();
        assert_eq!((&source.place, source.place.to_string()), (&place, text.clone()));
        let sized = DataSource { size: Some(32), channels: Some(1), ..source.clone() };
        for source in [source, sized] {
            let json = serde_json::to_string(&source).unwrap();
            assert!(json.starts_with(&format!(r#"{{"data":{}"#, serde_json::to_string(&text).unwrap())), "{json}");
            assert_eq!(serde_json::from_str::<DataSource>(&json).unwrap(), source);
        }
    }
    assert!(serde_json::from_str::<DataSource>(r#"{"data": "worlds:33"}"#).is_err());
    assert!(serde_json::from_str::<DataSource>(r#"{"data": "worlds:32", "sise": 8}"#).is_err());
}

#[test]
fn what_is_not_possible_is_one_sentence() {
    let refused = |text: &str, size, channels| -> String {
        let source = text.parse::<DataSource>().map(|source| DataSource { size, channels, ..source });
        let error = source.and_then(|source| source.open(&ReadProgress::default())).unwrap_err().to_string();
        assert!(error.contains("; ") && !error.contains('\n'), "{error}");
        error
    };
    assert!(refused("worlds:48", None, None).contains("unknown worlds \"worlds:48\"; choose worlds:32 or worlds:64"));
    assert!(refused("worlds:032", None, None).contains("unknown worlds"));
    assert!(refused("worlds:32", Some(64), None).contains("a size of 64 is not that of worlds:32"));
    assert!(refused("worlds:32", None, Some(2)).contains("2 channels are not possible; choose 1 (grey) or 3"));
    assert!(refused("photos", Some(0), None).contains("an image size of 0 is out of range; choose 1 to 1024"));
    assert!(refused("", None, None).contains("no data is given"));
    assert!(refused("/no/such/folder", None, None).contains("/no/such/folder"));
}

#[test]
fn worlds_have_no_end_and_files_have_their_classes() {
    let worlds = open("worlds:32");
    assert_eq!((worlds.len(), worlds.shape(), worlds.class_names()[4]), (None, [3, 32, 32], "sea"));
    let mut levels = vec![0; 3072];
    assert_eq!(worlds.picture(1_000_000_000_006, &mut levels), Some(4));
    assert!(levels.iter().any(|&level| level > 0));
    // Measured with the 24,000 of the first program: mean and root of the mean square in [0, 1].
    let moments = worlds.moments(Range::Unit);
    let [mean, root] = [moments.mean, moments.mean_square.sqrt()];
    assert!((mean - 0.4298).abs() < 0.008 && (root - 0.4834).abs() < 0.008, "{mean} {root}");
    // Grey ones are the luma of those in colour.
    let source =
        DataSource { channels: Some(1), ..DataSource { place: Place::Worlds(32), size: None, channels: None } };
    let (grey, mut light) = (source.open(&ReadProgress::default()).unwrap(), vec![0; 1024]);
    assert_eq!((grey.shape(), grey.picture(1_000_000_000_006, &mut light)), ([1, 32, 32], Some(4)));
    for place in 0..1024 {
        let luma = 0.2126 * f64::from(levels[place])
            + 0.7152 * f64::from(levels[1024 + place])
            + 0.0722 * f64::from(levels[2048 + place]);
        assert!((luma - f64::from(light[place])).abs() < 0.51);
    }
    let folder = tempfile::tempdir().unwrap();
    for (kind, level) in [("cold", 10), ("warm", 200)] {
        fs::create_dir(folder.path().join(kind)).unwrap();
        RgbImage::from_pixel(4, 4, image::Rgb([level, 5, 90])).save(folder.path().join(kind).join("a.png")).unwrap();
    }
    let set = open(&folder.path().display().to_string());
    assert_eq!((set.len(), set.shape(), set.class_names()), (Some(2), [3, 4, 4], vec!["cold", "warm"]));
    let mut levels = vec![0; 48];
    assert_eq!((set.picture(1, &mut levels), levels[0], levels[47]), (Some(1), 200, 90));
    // Two kinds of data are told apart, and the same data are known again.
    let sums = [worlds.checksum(), open("worlds:64").checksum(), grey.checksum(), set.checksum()];
    assert_eq!(sums.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    assert_eq!(sums[0], open("worlds:32").checksum());
}

/// Also of pictures without classes, however many threads there are.
#[test]
fn the_first_pictures_are_all_there() {
    let values: Vec<u8> = (0..64 * 12).map(|index| (index / 12) as u8 + 1).collect();
    let names = (0..64).map(|index| index.to_string()).collect();
    let set = PictureSet { shape: [3, 2, 2], values: values.clone(), names, classes: None, warnings: Vec::new() };
    let [training, _] = Data::set(set).split();
    let first = training.first(100);
    assert_eq!((first.len(), first.classes), (58, None));
    let kept: Vec<u8> =
        values.chunks(12).enumerate().filter(|(at, _)| at % 10 != 9).flat_map(|(_, p)| p.to_vec()).collect();
    assert!(first.values == kept);
}

#[test]
fn what_is_held_out_is_every_tenth_and_never_trained_on() {
    let data = numbered(57);
    let [training, held_out] = data.split();
    let all = |data: &Data| -> Vec<u8> {
        (0..data.len().unwrap())
            .map(|index| {
                let mut levels = [0; 12];
                let label = data.picture(index, &mut levels);
                assert_eq!(label, Some(u32::from(levels[0]) % 3));
                levels[0]
            })
            .collect()
    };
    assert_eq!(all(&held_out), [9, 19, 29, 39, 49]);
    let first = training.first(11);
    let levels: Vec<u8> = first.values.chunks(12).map(|levels| levels[0]).collect();
    assert_eq!((levels, first.len()), (vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11], 11));
    assert_eq!(first.classes.unwrap().labels[9..], [1, 2]);
    assert_eq!(held_out.first(100).len(), 5);
    // (9 + 19 + 29 + 39 + 49)/5 of 255.
    assert!((held_out.moments(Range::Unit).mean - 29.0 / 255.0).abs() < 1e-12);
    let mut both = [all(&training), all(&held_out)].concat();
    both.sort_unstable();
    assert!(both.into_iter().eq(0..57));
    assert_eq!(numbered(9).split().map(|data| data.len()), [Some(9), Some(0)]);
    // Of worlds, they are others.
    let [training, held_out] = open("worlds:32").split();
    let picture = |data: &Data| {
        let mut levels = vec![0; 3072];
        (data.picture(0, &mut levels), levels)
    };
    let ((ours, trained), (other, unseen)) = (picture(&training), picture(&held_out));
    assert!(ours == other && trained != unseen);
}

#[test]
fn a_draw_is_the_same_in_batches_of_any_size() {
    let data = numbered(30);
    let order = Order { seed: 5, len: data.len() };
    let preparation = Preparation { range: Range::Symmetric, flips: true, dequantises: true };
    let whole = data.batch(&order, 17, 50, &preparation);
    assert_eq!(whole.images.shape, [50, 3, 2, 2]);
    for (first, count) in [(17, 7), (24, 1), (25, 42)] {
        let part = data.batch(&order, first, count, &preparation);
        let from = (first - 17) as usize;
        assert_eq!(part.indices, whole.indices[from..from + count]);
        assert_eq!(part.labels.unwrap(), whole.labels.as_ref().unwrap()[from..from + count]);
        assert_eq!(*part.images.values, whole.images.values[12 * from..12 * (from + count)]);
    }
    for (place, &index) in whole.indices.iter().enumerate() {
        assert_eq!(
            (index, whole.labels.as_ref().unwrap()[place]),
            (order.picture(17 + place as u64), index as u32 % 3)
        );
    }
}

#[test]
fn grey_levels_fill_the_range_and_dequantised_ones_their_interval() {
    let levels: Vec<u8> = (0..=255).collect();
    let mut values = vec![0.0; 256];
    for (range, low, width) in [(Range::Unit, 0.0, 1.0), (Range::Symmetric, -1.0, 2.0)] {
        Preparation { range, ..PLAIN }.fill(&levels, 0, 0, &mut values);
        for (level, value) in values.iter().enumerate() {
            assert!((f64::from(*value) - (low + width * level as f64 / 255.0)).abs() < 1e-6);
        }
        let dequantising = Preparation { range, dequantises: true, ..PLAIN };
        let (mut mean, mut square) = (0.0, 0.0);
        for n in 0..400 {
            dequantising.fill(&levels, 9, n, &mut values);
            for (level, value) in values.iter().enumerate() {
                let inside = (f64::from(*value) - low) / width * 256.0 - level as f64;
                assert!((0.0..1.0).contains(&inside), "{value} is outside the interval of {level}");
                mean += inside / 102_400.0;
                square += inside * inside / 102_400.0;
            }
        }
        // Moments of a uniform number, within five standard errors: √(1/12/n) and √(4/45/n).
        assert!((mean - 0.5).abs() < 0.0046 && (square - 1.0 / 3.0).abs() < 0.0047, "{mean} {square}");
    }
}

#[test]
fn a_mirrored_draw_has_its_columns_turned_round() {
    let values: Vec<u8> = (0..24).collect();
    let set = PictureSet {
        shape: [1, 4, 6],
        values: values.clone(),
        names: vec!["a".into()],
        classes: None,
        warnings: Vec::new(),
    };
    let (data, order) = (Data::set(set), Order { seed: 2, len: Some(1) });
    let batch = data.batch(&order, 0, 20, &Preparation { flips: true, ..PLAIN });
    assert!(batch.labels.is_none());
    let turned: Vec<u8> = values.chunks(6).flat_map(|row| row.iter().rev().copied()).collect();
    for n in 0..20 {
        let levels: Vec<u8> = batch.images.sample(n).iter().map(|value| (value * 255.0).round() as u8).collect();
        assert_eq!(&levels, if order.is_flipped(n as u64) { &turned } else { &values });
    }
}
