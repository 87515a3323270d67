use score_explorer::Pixels;
use score_explorer::checkpoint::{read_latents, write_latents};
use score_explorer::task::{Flow, Latents};
use std::fs;

fn latents() -> Latents {
    let values: Vec<f32> = (0..2 * 3 * 4 * 4).map(|i| (i as f32).sin()).collect();
    Latents {
        pixels: Pixels { shape: [2, 3, 4, 4], values: values.into() },
        flow: Flow { until: 0.5, ..Flow::default() },
    }
}

#[test]
fn latents_come_back_from_both_kinds_of_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["l.safetensors", "l.npz"] {
        let path = folder.path().join(name);
        write_latents(&path, &latents()).unwrap();
        assert_eq!(read_latents(&path).unwrap(), latents());
    }
    assert!(write_latents(&folder.path().join("l.txt"), &latents()).is_err());
}

#[test]
fn damaged_files_are_refused_at_every_length_and_byte() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["l.safetensors", "l.npz"] {
        let path = folder.path().join(name);
        write_latents(&path, &latents()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read_latents(&path).is_err(), "{name} of {length} bytes");
        }
        for place in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x5a;
            fs::write(&path, &bytes).unwrap();
            // Some bytes change only a number or an unused field: what is read still has the size it claims.
            if let Ok(read) = read_latents(&path) {
                assert_eq!(read.pixels.shape.iter().product::<usize>(), read.pixels.values.len());
            }
        }
    }
}

#[test]
fn an_array_that_claims_more_than_there_is_is_refused() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.npz");
    for shape in ["(99999, 3, 4, 4)", "(18446744073709551615, 9, 9, 9)", "(1, 2, 3)", "(-1, 3, 4, 4)", "()"] {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        npy.extend((header.len() as u16).to_le_bytes());
        npy.extend(header.bytes());
        npy.extend([0; 24]);
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("latents.npy", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&npy).unwrap();
        fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
        assert!(read_latents(&path).is_err(), "{shape}");
    }
}
