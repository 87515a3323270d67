//! What opening a network of 62 million parameters takes. Slow, so run by name.

use super::{data, forge};
use score_explorer::checkpoint::{Overrides, open_network, read_score_sde_config};
use score_explorer::score::Description;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The size of published CIFAR-10 networks.
fn large() -> (String, Description) {
    let text = fs::read_to_string(data("nets/ddpmpp-subvp-cifar10/config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["model"]["nf"] = 128.into();
    config["model"]["ch_mult"] = serde_json::json!([1, 2, 2, 2]);
    config["model"]["num_res_blocks"] = 4.into();
    let description = read_score_sde_config(&config.to_string(), &Overrides::default()).unwrap();
    (config.to_string(), description)
}

/// A figure of this process in bytes.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().unwrap() * 1024
}

/// The most memory that opening a file takes beyond what was in use `before` the first, as a multiple of its size.
fn cost(path: &Path, before: u64) -> f64 {
    // Forgets the highest figure so far.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let network = open_network(path, None).unwrap();
    let most = memory("VmHWM") - before;
    assert!(!network.weights.is_empty());
    most as f64 / path.metadata().unwrap().len() as f64
}

/// Zeros of `size` bytes each behind one another, as safetensors of this type.
fn write_safetensors(path: &Path, description: &Description, dtype: &str, size: usize) {
    let (mut tensors, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in description.config.parameters() {
        let start = end;
        end += shape.iter().product::<usize>() * size;
        tensors.insert(name, serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}));
    }
    let about = serde_json::to_string(description).unwrap();
    tensors.insert("__metadata__".into(), serde_json::json!({"score-explorer": about}));
    let header = serde_json::Value::from(tensors).to_string();
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let length = file.stream_position().unwrap() + end as u64;
    file.set_len(length).unwrap();
}

/// Live and averaged weights, all zero, as torch.save writes them.
fn write_torch(path: &Path, description: &Description) {
    let parameters = description.config.parameters();
    let tensor = |key: usize, shape: &[usize]| {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let strides: Vec<i64> = (1..=shape.len()).map(|next| shape[next..].iter().product()).collect();
        forge::tensor("FloatStorage", key, shape.iter().product(), 0, &shape, &strides)
    };
    let model: Vec<(&str, Vec<u8>)> =
        parameters.iter().enumerate().map(|(key, (name, shape))| (name.as_str(), tensor(key, shape))).collect();
    let ema: Vec<Vec<u8>> =
        parameters.iter().enumerate().map(|(key, (_, shape))| tensor(parameters.len() + key, shape)).collect();
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    zip.start_file("archive/data.pkl", options).unwrap();
    zip.write_all(&forge::checkpoint(&model, &ema)).unwrap();
    for (key, (_, shape)) in parameters.iter().chain(&parameters).enumerate() {
        zip.start_file(format!("archive/data/{key}"), options).unwrap();
        zip.write_all(&vec![0; 4 * shape.iter().product::<usize>()]).unwrap();
    }
    zip.finish().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "writes a gigabyte; run it alone, by name"]
fn opening_takes_little_more_memory_than_the_file_or_its_numbers() {
    let (config, description) = large();
    let parameters: usize =
        description.config.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert!(parameters > 60_000_000, "{parameters}");
    let (folder, before) = (tempfile::tempdir().unwrap(), memory("VmRSS"));
    let path = folder.path().join("large.safetensors");
    write_safetensors(&path, &description, "F32", 4);
    let single = cost(&path, before);
    write_safetensors(&path, &description, "BF16", 2);
    // The numbers themselves take twice the file once they are in single precision.
    let half = cost(&path, before) / 2.0;
    let path = folder.path().join("large.pth");
    write_torch(&path, &description);
    fs::write(folder.path().join("large.json"), config).unwrap();
    let torch = cost(&path, before);
    println!("{parameters} parameters: {single:.2} × f32 safetensors, {half:.2} × bf16's numbers, {torch:.2} × .pth");
    assert!(single < 1.3 && half < 1.3 && torch < 1.3, "{single}, {half}, {torch}");
}
