//! The panes of a workspace: where they are, how wide, which are closed. Saved, and checked on load.

use super::widgets::icon::{self, Icon};
use egui::{CentralPanel, Frame, Margin, ScrollArea, UiBuilder, UiKind, UiStackInfo};
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

/// A pane: what is set up on the left, what is looked at in the middle, what is measured on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pane {
    Setup,
    Picture,
    Plots,
}

impl Pane {
    pub const ALL: [Pane; 3] = [Pane::Setup, Pane::Picture, Pane::Plots];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Setup => "Setup",
            Pane::Picture => "Images",
            Pane::Plots => "Plots",
        }
    }
}

/// Narrowest and widest side pane, in points.
const WIDTHS: std::ops::RangeInclusive<f32> = 220.0..=640.0;

/// Points that the picture keeps beside the side panes.
const PICTURE: f32 = 240.0;
/// In a window narrower than this one side pane is open at a time.
const ROOM_FOR_BOTH: f32 = 820.0;

/// The tile tree, and widths in points: side panes keep theirs when the window grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Panes {
    tree: Tree<Pane>,
    setup_width: f32,
    plots_width: f32,
    /// The side pane that is hidden only for want of room, and comes back with it.
    #[serde(default)]
    folded: Option<Pane>,
    /// The side pane that was opened last, which stays in a narrow window.
    #[serde(skip)]
    opened: Option<Pane>,
}

impl PartialEq for Panes {
    fn eq(&self, other: &Self) -> bool {
        // Shares follow from the widths and the window.
        (self.setup_width, self.plots_width) == (other.setup_width, other.plots_width)
            && Pane::ALL.iter().all(|&pane| self.is_wanted(pane) == other.is_wanted(pane))
    }
}

impl Default for Panes {
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let panes = Pane::ALL.map(|pane| tiles.insert_pane(pane)).to_vec();
        let root = tiles.insert_container(Linear::new(LinearDir::Horizontal, panes));
        Panes {
            tree: Tree::new(egui::Id::unique("panes"), root, tiles),
            setup_width: 280.0,
            plots_width: 300.0,
            folded: None,
            opened: None,
        }
    }
}

impl Panes {
    /// A tree that does not hold each pane exactly once, all within reach, becomes the default.
    pub fn sanitize(&mut self) {
        let widths_known = self.setup_width.is_finite() && self.plots_width.is_finite();
        if !widths_known || !self.is_whole() {
            *self = Panes::default();
        }
        self.setup_width = self.setup_width.clamp(*WIDTHS.start(), *WIDTHS.end());
        self.plots_width = self.plots_width.clamp(*WIDTHS.start(), *WIDTHS.end());
        // The picture cannot be closed.
        self.set_open(Pane::Picture, true);
    }

    fn is_whole(&self) -> bool {
        let Some(root) = self.tree.root() else { return false };
        let mut panes = Vec::new();
        let mut seen = Vec::new();
        self.collect(root, &mut panes, &mut seen)
            && panes.len() == Pane::ALL.len()
            && Pane::ALL.iter().all(|pane| panes.contains(pane))
    }

    /// Walks down from `tile`; whether it is a tree at all.
    fn collect(&self, tile: TileId, panes: &mut Vec<Pane>, seen: &mut Vec<TileId>) -> bool {
        if seen.contains(&tile) {
            return false;
        }
        seen.push(tile);
        match self.tree.tiles.get(tile) {
            None => false,
            Some(Tile::Pane(pane)) => {
                panes.push(*pane);
                true
            }
            Some(Tile::Container(container)) => {
                container.children().copied().all(|child| self.collect(child, panes, seen))
            }
        }
    }

    fn tile(&self, pane: Pane) -> Option<TileId> {
        self.tree.tiles.find_pane(&pane)
    }

    /// Whether a pane is shown.
    pub fn is_open(&self, pane: Pane) -> bool {
        self.tile(pane).is_some_and(|tile| self.tree.is_visible(tile))
    }

    /// Whether a pane is shown, or would be in a wider window.
    fn is_wanted(&self, pane: Pane) -> bool {
        self.is_open(pane) || self.folded == Some(pane)
    }

    /// Shows or hides a pane.
    pub fn set_open(&mut self, pane: Pane, open: bool) {
        if let Some(tile) = self.tile(pane) {
            self.tree.set_visible(tile, open);
        }
    }

    /// Opens or closes a side pane, as a person asks for it.
    fn toggle(&mut self, pane: Pane) {
        let open = !self.is_open(pane);
        self.set_open(pane, open);
        self.folded = self.folded.filter(|&folded| folded != pane);
        self.opened = open.then_some(pane).or(self.opened);
    }

    /// Hides a side pane that finds no room in a window of this width, and shows it again where it does.
    fn fold(&mut self, width: f32) {
        if width >= ROOM_FOR_BOTH {
            if let Some(pane) = self.folded.take() {
                self.set_open(pane, true);
            }
        } else if self.is_open(Pane::Setup) && self.is_open(Pane::Plots) {
            let pane = if self.opened == Some(Pane::Plots) { Pane::Setup } else { Pane::Plots };
            self.set_open(pane, false);
            self.folded = Some(pane);
        }
    }

    /// Shows the panes in all the room there is; `add` fills each.
    pub fn ui(&mut self, ui: &mut egui::Ui, add: &mut dyn FnMut(&mut egui::Ui, Pane)) {
        self.fold(ui.available_width());
        self.share_out(ui.available_width());
        let mut fill = Fill { add, resized: false };
        self.tree.ui(&mut fill, ui);
        if fill.resized {
            self.take_widths();
        }
    }

    /// Buttons that show and hide the side panes, from right to left.
    pub fn toggles(&mut self, ui: &mut egui::Ui) {
        for (pane, icon, side) in [(Pane::Plots, Icon::RIGHT_PANEL, "right"), (Pane::Setup, Icon::LEFT_PANEL, "left")] {
            let open = self.is_open(pane);
            let verb = if open { "Hide" } else { "Show" };
            let tip = format!("{verb} the panel on the {side}");
            if icon::quiet_button(ui, icon, open, &format!("{} panel", pane.name()), &tip).clicked() {
                self.toggle(pane);
            }
        }
    }

    /// Side panes have their widths, the picture the rest.
    fn share_out(&mut self, width: f32) {
        let [setup, picture, plots] = Pane::ALL.map(|pane| self.tile(pane));
        let (mut setup_width, mut plots_width) = (self.setup_width, self.plots_width);
        let open = |pane| if self.is_open(pane) { 1.0 } else { 0.0 };
        let sides = setup_width * open(Pane::Setup) + plots_width * open(Pane::Plots);
        // In a small window the sides give way before the picture is gone.
        let shrink = ((width - PICTURE).max(0.0) / sides.max(1.0)).min(1.0);
        (setup_width, plots_width) = (setup_width * shrink, plots_width * shrink);
        let rest = (width - sides * shrink).max(1.0);
        let root = self.tree.root().and_then(|root| self.tree.tiles.get_mut(root));
        if let Some(Tile::Container(Container::Linear(linear))) = root {
            for (tile, share) in [(setup, setup_width), (picture, rest), (plots, plots_width)] {
                if let Some(tile) = tile {
                    linear.shares.set_share(tile, share);
                }
            }
        }
    }

    /// After a boundary was dragged: the widths as they are on the screen.
    fn take_widths(&mut self) {
        let root = self.tree.root().and_then(|root| self.tree.tiles.get(root));
        let Some(Tile::Container(Container::Linear(linear))) = root else { return };
        let share = |pane: Pane| self.tile(pane).map(|tile| linear.shares[tile]);
        let total: f32 = Pane::ALL.iter().filter(|&&pane| self.is_open(pane)).filter_map(|&pane| share(pane)).sum();
        let across: f32 = Pane::ALL
            .iter()
            .filter(|&&pane| self.is_open(pane))
            .filter_map(|&pane| self.tree.tiles.rect(self.tile(pane)?).map(|rect| rect.width()))
            .sum();
        let scale = across / total.max(1.0);
        let width = |pane, old: f32| match share(pane) {
            Some(share) if self.is_open(pane) => (share * scale).clamp(*WIDTHS.start(), *WIDTHS.end()),
            _ => old,
        };
        (self.setup_width, self.plots_width) =
            (width(Pane::Setup, self.setup_width), width(Pane::Plots, self.plots_width));
    }
}

/// A pane of settings: they scroll, and what is below them, if anything, never does.
pub fn settings(ui: &mut egui::Ui, add: impl FnOnce(&mut egui::Ui)) {
    // The scroll bar has the margin on the right to itself.
    let margin = Margin { left: 8, right: 0, top: 8, bottom: 0 };
    CentralPanel::no_frame().frame(Frame::new().inner_margin(margin)).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 8.0);
            ui.spacing_mut().item_spacing.y = 6.0;
            add(ui);
        });
    });
}

/// A pane of figures, which scroll.
pub fn figures(ui: &mut egui::Ui, margin: i8, add: impl FnOnce(&mut egui::Ui)) {
    Frame::new().inner_margin(Margin::symmetric(8, margin)).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, add);
    });
}

struct Fill<'a> {
    add: &'a mut dyn FnMut(&mut egui::Ui, Pane),
    resized: bool,
}

impl egui_tiles::Behavior<Pane> for Fill<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _tile: TileId, pane: &mut Pane) -> egui_tiles::UiResponse {
        // The ground is there already; what fades into it is told its colour.
        let ground = Frame::new().fill(ui.visuals().panel_fill);
        let ground = UiBuilder::new().ui_stack_info(UiStackInfo::new(UiKind::CentralPanel).with_frame(ground));
        ui.scope_builder(ground, |ui| (self.add)(ui, *pane));
        egui_tiles::UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> egui::WidgetText {
        pane.name().into()
    }

    fn min_size(&self) -> f32 {
        *WIDTHS.start()
    }

    fn simplification_options(&self) -> egui_tiles::SimplificationOptions {
        egui_tiles::SimplificationOptions::OFF
    }

    fn on_edit(&mut self, action: egui_tiles::EditAction) {
        self.resized |= action == egui_tiles::EditAction::TileResized;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_panes_and_widths_survive_saving() {
        let mut panes = Panes { setup_width: 333.0, ..Panes::default() };
        panes.set_open(Pane::Plots, false);
        let text = serde_json::to_string(&panes).unwrap();
        let mut loaded: Panes = serde_json::from_str(&text).unwrap();
        loaded.sanitize();
        assert_eq!(loaded, panes);
        assert!(!loaded.is_open(Pane::Plots) && loaded.is_open(Pane::Setup));
    }

    #[test]
    fn a_narrow_window_has_one_side_pane_the_one_opened_last_and_a_wide_one_both() {
        let open = |panes: &Panes| [Pane::Setup, Pane::Plots].map(|pane| panes.is_open(pane));
        let mut panes = Panes::default();
        panes.fold(683.0);
        assert_eq!(open(&panes), [true, false]);
        assert_eq!(panes, Panes::default(), "what is saved does not depend on the window's size");
        panes.toggle(Pane::Plots);
        panes.fold(683.0);
        assert_eq!(open(&panes), [false, true]);
        panes.fold(1280.0);
        assert_eq!(open(&panes), [true, true]);
        panes.toggle(Pane::Setup);
        panes.fold(683.0);
        panes.fold(1280.0);
        assert_eq!(open(&panes), [false, true], "what a person closed stays closed");
    }

    #[test]
    fn a_tree_without_its_picture_becomes_the_default() {
        let mut panes = Panes { setup_width: 333.0, ..Panes::default() };
        let picture = panes.tile(Pane::Picture).unwrap();
        panes.tree.tiles.remove(picture);
        panes.sanitize();
        assert_eq!(panes, Panes::default());
    }

    #[test]
    fn a_tree_that_bites_its_tail_becomes_the_default() {
        let mut panes = Panes { setup_width: 333.0, ..Panes::default() };
        let root = panes.tree.root().unwrap();
        if let Some(Tile::Container(container)) = panes.tree.tiles.get_mut(root) {
            container.add_child(root);
        }
        panes.sanitize();
        assert_eq!(panes, Panes::default());
    }

    #[test]
    fn impossible_widths_are_mended() {
        let mut panes = Panes { setup_width: -5.0, plots_width: 1e9, ..Panes::default() };
        panes.sanitize();
        assert_eq!((panes.setup_width, panes.plots_width), (*WIDTHS.start(), *WIDTHS.end()));
    }
}
