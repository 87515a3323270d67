//! What survives a restart: the next run's settings, theme, layout, view, the export folder.

use super::draft::Draft;
use super::inpaint::SavedInpaint;
use super::latents::SavedLatents;
use super::layout::Layout;
use super::picture::PictureSettings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// The key under which all settings are stored.
const KEY: &str = "score-explorer";

/// Everything that is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    pub draft: Draft,
    pub theme: ThemeChoice,
    pub layout: Layout,
    pub picture: PictureSettings,
    pub latents: SavedLatents,
    pub inpaint: SavedInpaint,
    /// Where files were last written.
    pub folder: Option<PathBuf>,
}

/// Dark, light, or what the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeChoice {
    Dark,
    Light,
    #[default]
    System,
}

impl ThemeChoice {
    pub const ALL: [ThemeChoice; 3] = [ThemeChoice::Dark, ThemeChoice::Light, ThemeChoice::System];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            ThemeChoice::Dark => "Dark",
            ThemeChoice::Light => "Light",
            ThemeChoice::System => "System",
        }
    }

    /// What egui calls it.
    pub fn preference(self) -> egui::ThemePreference {
        match self {
            ThemeChoice::Dark => egui::ThemePreference::Dark,
            ThemeChoice::Light => egui::ThemePreference::Light,
            ThemeChoice::System => egui::ThemePreference::System,
        }
    }
}

impl Settings {
    /// What was saved. Each part that cannot be read is the default, whatever the others are.
    pub fn load(storage: Option<&dyn eframe::Storage>) -> Settings {
        let text = storage.and_then(|storage| storage.get_string(KEY)).unwrap_or_default();
        let saved: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut settings = Settings {
            draft: part(&saved, "draft"),
            theme: part(&saved, "theme"),
            layout: part(&saved, "layout"),
            picture: part(&saved, "picture"),
            latents: part(&saved, "latents"),
            inpaint: part(&saved, "inpaint"),
            folder: part::<Option<PathBuf>>(&saved, "folder").filter(|folder| folder.is_dir()),
        };
        settings.draft.mend();
        settings.layout.mend();
        settings
    }

    /// Hands everything to `storage`.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        if let Ok(text) = serde_json::to_string(self) {
            storage.set_string(KEY, text);
        }
    }
}

fn part<T: serde::de::DeserializeOwned + Default>(saved: &Value, name: &str) -> T {
    saved.get(name).and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::picture::View;
    use crate::sde::{Family, Ve};
    use crate::task::Run;
    use std::collections::HashMap;

    #[derive(Default)]
    struct Memory(HashMap<String, String>);

    impl eframe::Storage for Memory {
        fn get_string(&self, key: &str) -> Option<String> {
            self.0.get(key).cloned()
        }
        fn set_string(&mut self, key: &str, value: String) {
            self.0.insert(key.into(), value);
        }
        fn remove_string(&mut self, key: &str) {
            self.0.remove(key);
        }
        fn flush(&mut self) {}
    }

    fn changed() -> Settings {
        let mut settings = Settings { theme: ThemeChoice::Light, ..Settings::default() };
        settings.picture.view = View::Score;
        let ve = Run { family: Family::Ve(Ve::new(0.02, 90.0).unwrap()), ..Run::default() };
        settings.draft.take(&ve);
        settings.draft.steps = 77;
        settings
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let mut storage = Memory::default();
        changed().save(&mut storage);
        assert_eq!(Settings::load(Some(&storage)), changed());
    }

    #[test]
    fn a_part_that_cannot_be_read_leaves_the_others() {
        let mut storage = Memory::default();
        changed().save(&mut storage);
        let text = storage.0[KEY].replace("\"light\"", "\"mauve\"");
        assert!(text.contains("mauve"));
        storage.0.insert(KEY.into(), text);
        let loaded = Settings::load(Some(&storage));
        assert_eq!(loaded, Settings { theme: ThemeChoice::System, ..changed() });
    }

    #[test]
    fn nonsense_is_a_first_start() {
        let mut storage = Memory::default();
        storage.0.insert(KEY.into(), "{not json".into());
        assert_eq!(Settings::load(Some(&storage)), Settings::default());
        assert_eq!(Settings::load(None), Settings::default());
    }
}
