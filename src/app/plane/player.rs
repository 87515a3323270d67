//! The time that is shown: a slider from noise to data, and playing along it both ways.

use crate::app::math;
use crate::app::widgets::icon::{self, Icon};
use crate::app::widgets::named;
use crate::plane::Scene;
use egui::{DragValue, RichText, Slider, Ui};
use std::ops::RangeInclusive;

/// Which way time plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From noise to data, as samplers go.
    ToData,
    ToNoise,
}

/// Plays the time.
#[derive(Debug)]
pub struct Player {
    pub playing: Option<Way>,
    last: Way,
    /// Seconds from one end to the other.
    pub seconds: f64,
}

impl Default for Player {
    fn default() -> Self {
        Player { playing: None, last: Way::ToData, seconds: 6.0 }
    }
}

impl Player {
    /// How long it may take, in seconds.
    const SECONDS: RangeInclusive<f64> = 0.5..=120.0;

    /// At rest, with the time that it takes, where that was chosen.
    pub fn new(seconds: Option<f64>) -> Player {
        let seconds = seconds.filter(|seconds| Player::SECONDS.contains(seconds));
        Player { seconds: seconds.unwrap_or(Player::default().seconds), ..Player::default() }
    }

    /// Plays, or pauses; from the end, begins anew.
    pub fn toggle(&mut self, scene: &mut Scene) {
        match self.playing {
            Some(_) => self.playing = None,
            None => self.play(self.last, scene),
        }
    }

    /// Plays one way.
    pub fn play(&mut self, way: Way, scene: &mut Scene) {
        let (begin, end) = if way == Way::ToData { (1.0, 0.0) } else { (0.0, 1.0) };
        if scene.time == end {
            scene.time = begin;
        }
        (self.playing, self.last) = (Some(way), way);
    }

    /// Moves the time on by so many seconds.
    pub fn advance(&mut self, scene: &mut Scene, seconds: f64) {
        let by = seconds / self.seconds.max(0.1);
        let (time, end) = match self.playing {
            None => return,
            Some(Way::ToData) => (scene.time - by, 0.0),
            Some(Way::ToNoise) => (scene.time + by, 1.0),
        };
        scene.time = time.clamp(0.0, 1.0);
        if scene.time == end {
            self.playing = None;
        }
    }

    /// Shows slider and buttons.
    pub fn ui(&mut self, ui: &mut Ui, scene: &mut Scene) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            self.button(ui, Way::ToNoise, scene);
            self.button(ui, Way::ToData, scene);
            let level = scene.family.sde().level(scene.time);
            let narrow = ui.available_width() < 420.0;
            let figures = if narrow { 96.0 } else { 236.0 };
            ui.label(RichText::new("t = 1").small().weak());
            ui.spacing_mut().slider_width = (ui.available_width() - figures - 84.0).max(60.0);
            let tip = "Time t, from noise (1) to data (0) (← →; Home and End: to the ends; Space: play)";
            let slider = Slider::new(&mut scene.time, 1.0..=0.0).show_value(false).trailing_fill(false);
            let slider = named(ui.add(slider), "Time", tip);
            if slider.hovered() || slider.dragged() {
                math::light(ui.ctx(), "t");
            }
            if slider.dragged() {
                self.playing = None;
            }
            ui.label(RichText::new("t = 0").small().weak());
            let field = DragValue::new(&mut scene.time).range(0.0..=1.0).speed(0.002).fixed_decimals(3).prefix("t ");
            named(ui.add(field), "Time as a number", tip);
            if !narrow {
                let text = format!("α {:.3}   σ {:.3}", level.alpha, level.sigma);
                ui.label(RichText::new(text).small().weak()).on_hover_text("x(t) = α x(0) + σ z");
                let field =
                    DragValue::new(&mut self.seconds).range(Player::SECONDS).speed(0.1).suffix(" s").max_decimals(1);
                named(ui.add(field), "Duration", "Seconds from one end of time to the other");
            }
        });
    }

    fn button(&mut self, ui: &mut Ui, way: Way, scene: &mut Scene) {
        let (play, name, tip) = match way {
            Way::ToData => (Icon::PLAY, "Play to data", "Play from noise to data (Space)"),
            Way::ToNoise => (Icon::PLAY_BACK, "Play to noise", "Play from data to noise"),
        };
        let plays = self.playing == Some(way);
        let icon = if plays { Icon::PAUSE } else { play };
        let name = if plays { "Pause time" } else { name };
        if icon::quiet_button(ui, icon, true, name, tip).clicked() {
            if plays { self.playing = None } else { self.play(way, scene) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_plays_to_its_end_stops_there_and_begins_anew() {
        let (mut player, mut scene) = (Player { seconds: 2.0, ..Player::default() }, Scene::default());
        player.toggle(&mut scene);
        assert_eq!((player.playing, scene.time), (Some(Way::ToData), 1.0));
        player.advance(&mut scene, 0.5);
        assert_eq!(scene.time, 0.75);
        player.toggle(&mut scene);
        player.advance(&mut scene, 0.5);
        assert_eq!((player.playing, scene.time), (None, 0.75));
        player.toggle(&mut scene);
        player.advance(&mut scene, 9.0);
        assert_eq!((player.playing, scene.time), (None, 0.0));
        player.play(Way::ToNoise, &mut scene);
        player.advance(&mut scene, 1.0);
        assert_eq!((player.playing, scene.time), (Some(Way::ToNoise), 0.5));
    }
}
