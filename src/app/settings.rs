//! What survives a restart: the next run's settings, theme, the folder, and what each workspace keeps.

use super::draft::Draft;
use super::widgets::icon::{self, Icon};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The key under which all settings are stored.
const KEY: &str = "score-explorer";

/// Everything that is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    pub draft: Draft,
    pub theme: ThemeChoice,
    /// Where files were last written.
    pub folder: Option<PathBuf>,
    /// The name of the workspace that is shown.
    pub shown: String,
    /// What each workspace keeps, under its name.
    #[serde(flatten)]
    pub workspaces: Map<String, Value>,
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

    /// A menu of all; the one that was chosen.
    pub fn menu(self, ui: &mut egui::Ui) -> Option<ThemeChoice> {
        let icon = match self {
            ThemeChoice::Dark => Icon::MOON,
            ThemeChoice::Light => Icon::SUN,
            ThemeChoice::System => Icon::HALF_MOON,
        };
        let button = icon::quiet_button(ui, icon, true, "Theme", "Theme: dark, light or system");
        let line = |ui: &mut egui::Ui, theme: &ThemeChoice| ui.selectable_label(self == *theme, theme.name()).clicked();
        let menu =
            egui::Popup::menu(&button).show(|ui| ThemeChoice::ALL.into_iter().filter(|theme| line(ui, theme)).last());
        menu.and_then(|menu| menu.inner)
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
        let mut saved = Settings { workspaces: serde_json::from_str(&text).unwrap_or_default(), ..Settings::default() };
        let folder: Option<PathBuf> = saved.take("folder");
        let mut settings = Settings {
            draft: saved.take("draft"),
            theme: saved.take("theme"),
            folder: folder.filter(|folder| folder.is_dir()),
            shown: saved.take("shown"),
            workspaces: saved.workspaces,
        };
        settings.draft.sanitize();
        settings
    }

    /// Hands everything to `storage`.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        if let Ok(text) = serde_json::to_string(self) {
            storage.set_string(KEY, text);
        }
    }

    /// What a workspace kept under this name; the default where there is nothing, or nothing that can be read.
    pub fn of<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        self.workspaces.get(name).and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
    }

    /// The same with what a workspace keeps.
    pub fn with(mut self, name: &str, kept: impl Serialize) -> Settings {
        // What cannot be written is left out, as if it had never been kept.
        if let Ok(value) = serde_json::to_value(kept) {
            self.workspaces.insert(name.into(), value);
        }
        self
    }

    fn take<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let part = self.of(name);
        self.workspaces.remove(name);
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut settings =
            Settings { theme: ThemeChoice::Light, shown: "Plane".into(), ..Settings::default() }.with("plane", [1, 2]);
        let ve = Run { family: Family::Ve(Ve::new(0.02, 90.0).unwrap()), ..Run::default() };
        settings.draft.take(&ve);
        settings.draft.steps = 77;
        settings
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let mut storage = Memory::default();
        changed().save(&mut storage);
        let loaded = Settings::load(Some(&storage));
        assert_eq!(loaded, changed());
        assert_eq!((loaded.of::<Vec<i32>>("plane"), loaded.of::<Vec<i32>>("train")), (vec![1, 2], vec![]));
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
