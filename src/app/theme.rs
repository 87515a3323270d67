//! Colours, type and space of the window: neutral greys so that pictures are judged rightly,
//! one accent, and a fixed colour for each family.

use super::math;
use crate::sde::FamilyKind;
use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Visuals, vec2};
use std::sync::Arc;

/// All distances are multiples of this many points.
pub const UNIT: f32 = 4.0;
/// Body text, in points.
pub const BODY: f32 = 13.0;
/// Captions and axis figures, in points.
pub const SMALL: f32 = 11.0;
/// Headings, in points.
pub const HEADING: f32 = 16.0;
/// Width of the setup panel, in points.
pub const SETUP_WIDTH: f32 = 280.0;
/// Width of the panel of plots, in points.
pub const PLOTS_WIDTH: f32 = 300.0;
/// Height of buttons and other controls, in points.
pub const CONTROL: f32 = 24.0;

/// The colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theme {
    /// Around pictures and behind plots.
    pub surround: Color32,
    /// Panels.
    pub panel: Color32,
    /// Buttons and fields at rest.
    pub raised: Color32,
    /// Buttons and fields under the pointer.
    pub hovered: Color32,
    /// Separators, outlines, grid lines.
    pub line: Color32,
    /// What must be read.
    pub text: Color32,
    /// Captions.
    pub weak: Color32,
    /// The one accent: what is selected, and now.
    pub accent: Color32,
    /// Fill of selected things.
    pub selected: Color32,
    /// Text on `selected`.
    pub on_selected: Color32,
    /// Something to look at.
    pub warning: Color32,
    /// Something that failed.
    pub bad: Color32,
    /// What came to a good end.
    pub good: Color32,
    /// Kinds of things beside each other.
    pub series: [Color32; 3],
    /// Which of a family's two colours is for this ground.
    ground: usize,
}

const fn grey(level: u8) -> Color32 {
    Color32::from_gray(level)
}

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

impl Theme {
    /// Light on dark.
    pub const DARK: Theme = Theme {
        surround: grey(0x19),
        panel: grey(0x25),
        raised: grey(0x35),
        hovered: grey(0x42),
        line: grey(0x3d),
        text: grey(0xe2),
        weak: grey(0xac),
        accent: hex(0xb3a6ff),
        selected: hex(0x5a4fa8),
        on_selected: grey(0xff),
        warning: hex(0xf2c14e),
        bad: hex(0xff8a80),
        good: hex(0x9ccc65),
        series: [hex(0xf29f3d), hex(0x5fb0f5), hex(0x3fc48f)],
        ground: 0,
    };

    /// Dark on light.
    pub const LIGHT: Theme = Theme {
        surround: grey(0xdf),
        panel: grey(0xf2),
        raised: grey(0xe1),
        hovered: grey(0xd3),
        line: grey(0xc9),
        text: grey(0x1c),
        weak: grey(0x52),
        accent: hex(0x5340c4),
        selected: hex(0x5b4bc0),
        on_selected: grey(0xff),
        warning: hex(0x7a5600),
        bad: hex(0xb3261e),
        good: hex(0x3f6b12),
        series: [hex(0xb05a00), hex(0x0a62a9), hex(0x00724f)],
        ground: 1,
    };

    /// The theme that `ui` is drawn in.
    pub fn of(ui: &egui::Ui) -> &'static Theme {
        if ui.visuals().dark_mode { &Theme::DARK } else { &Theme::LIGHT }
    }

    /// The colour of a term of equations, of those that have one.
    pub fn term(&self, name: &str) -> Option<Color32> {
        let [_, blue, green] = self.series;
        match name {
            "score" => Some(self.accent),
            "noise" => Some(self.warning),
            "drift" => Some(blue),
            "denoised" => Some(green),
            _ => None,
        }
    }

    /// The colour of a family, the same everywhere.
    pub fn family(&self, kind: FamilyKind) -> Color32 {
        hex(kind.facts().colours[self.ground])
    }
}

/// Gives `ctx` our fonts, and our look in both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(egui::Theme::Dark, style(&Theme::DARK, Visuals::dark()));
    ctx.set_style_of(egui::Theme::Light, style(&Theme::LIGHT, Visuals::light()));
}

/// egui's own fonts, whose figures are all of one width. Symbols such as → ∇ ‖ ● are in the
/// monospaced one only, so it stands in for the other.
fn fonts() -> egui::FontDefinitions {
    let mut fonts = egui::FontDefinitions::default();
    let symbols = fonts.families.get(&FontFamily::Monospace).and_then(|names| names.first()).cloned();
    if let (Some(symbols), Some(names)) = (symbols, fonts.families.get_mut(&FontFamily::Proportional)) {
        names.insert(names.len().min(1), symbols);
    }
    math::install(&mut fonts);
    fonts
}

fn style(theme: &Theme, base: Visuals) -> Arc<Style> {
    let mut style = Style { visuals: visuals(theme, base), animation_time: 0.08, ..Style::default() };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SMALL)),
        (TextStyle::Body, FontId::proportional(BODY)),
        (TextStyle::Button, FontId::proportional(BODY)),
        (TextStyle::Heading, FontId::proportional(HEADING)),
        (TextStyle::Monospace, FontId::monospace(SMALL + 1.0)),
    ]
    .into();
    style.spacing.item_spacing = vec2(2.0 * UNIT, UNIT);
    style.spacing.button_padding = vec2(2.0 * UNIT, UNIT);
    style.spacing.interact_size = vec2(8.0 * UNIT, CONTROL);
    style.spacing.window_margin = Margin::same(8);
    style.spacing.menu_margin = Margin::same(4);
    style.spacing.indent = 3.0 * UNIT;
    style.spacing.icon_width = 4.0 * UNIT;
    style.spacing.combo_width = 24.0 * UNIT;
    style.spacing.tooltip_width = 90.0 * UNIT;
    style.spacing.slider_rail_height = UNIT;
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
    Arc::new(style)
}

fn visuals(theme: &Theme, mut visuals: Visuals) -> Visuals {
    let corner = CornerRadius::same(4);
    visuals.panel_fill = theme.panel;
    visuals.window_fill = theme.panel;
    visuals.window_stroke = Stroke::new(1.0, theme.line);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.extreme_bg_color = theme.surround;
    visuals.faint_bg_color = theme.raised;
    visuals.code_bg_color = theme.raised;
    visuals.weak_text_color = Some(theme.weak);
    visuals.hyperlink_color = theme.accent;
    visuals.warn_fg_color = theme.warning;
    visuals.error_fg_color = theme.bad;
    visuals.selection.bg_fill = theme.selected;
    visuals.selection.stroke = Stroke::new(1.0, theme.on_selected);
    visuals.text_cursor.stroke = Stroke::new(2.0, theme.accent);
    visuals.slider_trailing_fill = true;
    visuals.window_shadow.color = Color32::from_black_alpha(60);
    visuals.popup_shadow.color = Color32::from_black_alpha(60);
    let states = [
        (&mut visuals.widgets.noninteractive, theme.panel, theme.line),
        (&mut visuals.widgets.inactive, theme.raised, theme.raised),
        (&mut visuals.widgets.hovered, theme.hovered, theme.hovered),
        (&mut visuals.widgets.active, theme.hovered, theme.accent),
        (&mut visuals.widgets.open, theme.hovered, theme.line),
    ];
    for (widget, fill, outline) in states {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, outline);
        widget.fg_stroke = Stroke::new(1.0, theme.text);
        widget.corner_radius = corner;
        widget.expansion = 0.0;
    }
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: Color32) -> f64 {
        let linear = |byte: u8| {
            let s = f64::from(byte) / 255.0;
            if s <= 0.04045 { s / 12.92 } else { ((s + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
    }

    /// Contrast ratio (WCAG 2.2).
    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_has_aa_contrast_on_every_ground() {
        for theme in [Theme::DARK, Theme::LIGHT] {
            for ground in [theme.surround, theme.panel, theme.raised, theme.hovered] {
                assert!(contrast(theme.text, ground) >= 4.5, "{theme:?}");
            }
            for ground in [theme.surround, theme.panel, theme.raised] {
                for colour in [theme.weak, theme.accent, theme.warning, theme.bad] {
                    assert!(contrast(colour, ground) >= 4.5, "{colour:?} on {ground:?}");
                }
            }
            assert!(contrast(theme.on_selected, theme.selected) >= 4.5);
            for term in ["score", "noise", "drift", "denoised"] {
                let colour = theme.term(term).unwrap();
                assert!(contrast(colour, theme.panel) >= 4.5, "{term}: {colour:?} on {:?}", theme.panel);
            }
        }
    }

    #[test]
    fn family_colours_stand_out_from_every_ground() {
        for theme in [Theme::DARK, Theme::LIGHT] {
            for &kind in FamilyKind::ALL {
                for ground in [theme.surround, theme.panel] {
                    assert!(contrast(theme.family(kind), ground) >= 3.0, "{kind} on {ground:?}");
                }
            }
        }
    }

    #[test]
    fn greys_are_neutral() {
        for theme in [Theme::DARK, Theme::LIGHT] {
            for colour in [theme.surround, theme.panel, theme.raised, theme.hovered, theme.line, theme.text, theme.weak]
            {
                assert!(colour.r() == colour.g() && colour.g() == colour.b(), "{colour:?}");
            }
        }
    }
}
