//! The files that torch.save wrote before PyTorch 1.6: pickles one after the other, then all storages.

use super::pickle::{Pickle, Storage, Value};
use super::progress::ReportedFile;
use super::torch::sentence;
use super::zip_parts::MAX_PICKLE;
use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// The first pickle, a magic number, but for its end.
pub(super) const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// The second pickle.
const PROTOCOL: Value = Value::Int(1001);
const CUT: &str = "it is truncated or damaged; download it again";

/// A checkpoint of those years.
pub(super) struct LegacyParts<'a> {
    file: BufReader<ReportedFile<'a>>,
    /// What was saved, and who refers to storages.
    pickle: Vec<u8>,
    /// Where each storage's numbers begin, and how many bytes they take, by its key.
    places: HashMap<String, (u64, u64)>,
}

impl<'a> LegacyParts<'a> {
    /// Reads all but the numbers.
    pub fn open(file: ReportedFile<'a>, length: u64) -> Result<Self, String> {
        let mut file = BufReader::new(file);
        let mut start = Vec::new();
        file.rewind().and_then(|()| (&mut file).take(MAX_PICKLE).read_to_end(&mut start)).map_err(damaged)?;
        let rest = start.get(LEGACY.len() + 1..).ok_or(CUT)?;
        let (protocol, rest) = Pickle::read_first(rest).map_err(sentence)?;
        if protocol.root != PROTOCOL {
            return Err("it was saved by an unknown version of PyTorch; load it there and save it again".into());
        }
        let (system, rest) = Pickle::read_first(rest).map_err(sentence)?;
        if system.get(system.root, "little_endian") != Some(Value::Int(1)) {
            return Err("it was written on a big-endian machine; save it again on another".into());
        }
        let (saved, after) = Pickle::read_first(rest).map_err(sentence)?;
        let (keys, storages) = Pickle::read_first(after).map_err(sentence)?;
        let known: HashMap<&str, Storage> = saved.storages().map(|storage| (storage.key, storage)).collect();
        let mut places = HashMap::new();
        let mut place = (start.len() - storages.len()) as u64;
        for &key in keys.items(keys.root).ok_or(CUT)? {
            let storage = keys.text(key).and_then(|key| known.get(key)).ok_or(CUT)?;
            let bytes = storage.elements.checked_mul(storage.number.size()).ok_or(CUT)? as u64;
            // Each begins with the number of its elements.
            let mut count = [0; 8];
            file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(&mut count)).map_err(|_| CUT)?;
            let end = place.checked_add(8).and_then(|place| place.checked_add(bytes)).filter(|&end| end <= length);
            let end = end.filter(|_| u64::from_le_bytes(count) == storage.elements as u64).ok_or(CUT)?;
            places.insert(storage.key.to_owned(), (place + 8, bytes));
            place = end;
        }
        let pickle = rest[..rest.len() - after.len()].to_vec();
        Ok(LegacyParts { file, pickle, places })
    }

    /// The pickled part.
    pub fn pickle(&mut self) -> Result<Vec<u8>, String> {
        Ok(std::mem::take(&mut self.pickle))
    }

    /// All numbers of a storage that claims so many bytes, at most `most`.
    pub fn numbers(&mut self, storage: &Storage, claimed: u64, most: u64) -> Result<Vec<f32>, String> {
        let place = self.places.get(storage.key).filter(|_| claimed <= most);
        let &(place, bytes) = place.ok_or("has no storage; the file is damaged")?;
        // Another storage of the same key may have been looked at when the places were found.
        if bytes != claimed {
            return Err(format!("claims {claimed} bytes but has {bytes}; the file is damaged"));
        }
        let damaged = |error| format!("is damaged ({error})");
        self.file.seek(SeekFrom::Start(place)).map_err(damaged)?;
        storage.number.read(&mut self.file, storage.elements).map_err(damaged)
    }
}

fn damaged(error: std::io::Error) -> String {
    format!("it cannot be read ({error}); download it again")
}
