use super::block::Letters;
use super::block::{Ink, Mark};
use super::layout::{Laid, lay};
use super::type_case::TypeCase;
use super::*;
use crate::registry::Category;
use crate::sde::FamilyKind;
use crate::solver::Solver;

/// Lines laid out in this width.
fn laid_out<'a>(lines: impl IntoIterator<Item = &'a str>, width: f32) -> Vec<Laid> {
    let ctx = egui::Context::default();
    crate::app::theme::install(&ctx);
    let mut laid = Vec::new();
    let lines: Vec<&str> = lines.into_iter().collect();
    let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
        laid = ui.fonts_mut(|fonts| {
            lines.iter().map(|line| lay(&mut TypeCase::new(fonts, 1.0), line, 16.0, width)).collect()
        });
    });
    laid
}

fn one(line: &str) -> Laid {
    laid_out([line], 1e4).remove(0)
}

/// Lines of all solvers in all families, as they are by default.
fn all_lines() -> Vec<String> {
    let mut lines = Vec::new();
    for &kind in FamilyKind::ALL {
        let family = kind.published();
        lines.extend(family.sde().forward());
        for solver in <dyn Solver>::all() {
            let equations = solver.equations(&crate::registry::Settings::default(), &family);
            lines.extend(equations.into_iter().flat_map(|equation| equation.lines));
        }
    }
    lines
}

fn letter<'a>(laid: &'a Laid, wanted: &str) -> &'a Mark {
    laid.marks.iter().find(|mark| matches!(&mark.ink, Ink::Letters(letters) if letters.text == wanted)).unwrap()
}

fn baseline(mark: &Mark) -> f32 {
    match &mark.ink {
        Ink::Letters(letters) => letters.at.y,
        ink => panic!("{ink:?}"),
    }
}

fn font_size(mark: &Mark) -> f32 {
    match &mark.ink {
        Ink::Letters(letters) => letters.font.size,
        ink => panic!("{ink:?}"),
    }
}

/// The text of the letters, in their order.
fn letters(laid: &Laid) -> String {
    let text = |mark: &Mark| match &mark.ink {
        Ink::Letters(Letters { text, .. }) => Some(text.clone()),
        Ink::Rule(_) | Ink::Surd { .. } => None,
    };
    laid.marks.iter().filter_map(text).collect()
}

/// What is printed of a line: all of it but spaces, brackets that a bar replaces, and signs of scripts.
fn essence(text: &str) -> String {
    let alike = |letter| match letter {
        'ŷ' => Some("yˆ".to_owned()),
        '\u{302}' => Some("ˆ".into()),
        '½' => Some("12".into()),
        '″' => Some("′′".into()),
        '·' => Some("⋅".into()),
        '‖' => Some("∥".into()),
        'Σ' => Some("∑".into()),
        '₊' => Some("+".into()),
        '₋' => Some("−".into()),
        'ₓ' => Some("x".into()),
        ' ' | '(' | ')' | '[' | ']' | '/' | '√' | '_' | '^' => None,
        '₀'..='₉' => char::from_digit(letter as u32 - '₀' as u32, 10).map(String::from),
        '²' => Some("2".into()),
        '³' => Some("3".into()),
        '⁴' => Some("4".into()),
        other => Some(other.into()),
    };
    text.replace("1.0e-", "10−").chars().filter_map(alike).collect()
}

#[test]
fn nothing_is_lost_and_all_is_in_the_order_of_the_text() {
    let lines = all_lines();
    for width in [1e4, 240.0] {
        let laid = laid_out(lines.iter().map(String::as_str), width);
        for (line, laid) in lines.iter().zip(&laid) {
            // Scripts below are set before those above.
            let sorted = |text: &str| {
                let mut all: Vec<char> = text.chars().collect();
                all.sort_unstable();
                all
            };
            let (text, shown) = (essence(&without_terms(line)), essence(&letters(laid)));
            assert_eq!(sorted(&text), sorted(&shown), "{line}");
        }
    }
    let ordered = |line: &str| assert_eq!(essence(&letters(&one(line))), essence(line), "{line}");
    ordered("x ← (x + β_i s) / √(1 − β_i) + √β_i z");
    ordered("x̂₀ = (x + σ² s(x, t)) / α,  ε̂ = (x − α x̂₀) / σ");
}

#[test]
fn no_two_marks_lie_on_each_other() {
    let lines = all_lines();
    for width in [1e4, 240.0] {
        for (line, laid) in lines.iter().zip(laid_out(lines.iter().map(String::as_str), width)) {
            assert!(laid.size.x <= width, "{line}: {} points in {width}", laid.size.x);
            for (place, mark) in laid.marks.iter().enumerate() {
                // Ink is known to whole pixels, and slanted letters lean over their neighbours by one more.
                let ink = mark.bounds().shrink(1.1);
                assert!(ink.is_negative() || laid.size.to_pos2().x >= ink.right(), "{line}");
                for other in &laid.marks[..place] {
                    // A hat sits on its letter, a bar meets the sign of its root, and limits are beside the slanted sign.
                    let touches = matches!((&mark.ink, &other.ink), (Ink::Letters(hat), _) if hat.text == "ˆ")
                        || matches!(&other.ink, Ink::Letters(sign) if sign.text == "∫")
                        || matches!(other.ink, Ink::Surd { .. });
                    let both = ink.intersect(other.bounds().shrink(1.1));
                    assert!(touches || !both.is_positive(), "{line}: {:?} on {:?}", mark.ink, other.ink);
                }
            }
        }
    }
}

#[test]
fn a_fraction_stands_on_the_axis_of_its_line() {
    let laid = one("a = x/α + b");
    let bar = laid.marks.iter().find_map(|mark| match mark.ink {
        Ink::Rule(bar) => Some(bar),
        _ => None,
    });
    let (bar, [a, b, x, alpha]) = (bar.unwrap(), ["a", "b", "x", "α"].map(|wanted| letter(&laid, wanted)));
    assert_eq!(baseline(a), baseline(b));
    // The bar is at the height of the middle of a minus sign, a quarter of an em above the baseline.
    assert!((baseline(a) - bar.center().y - 4.0).abs() < 1e-3);
    assert!(x.bounds().bottom() <= bar.top() && alpha.bounds().top() >= bar.bottom());
    assert!((x.bounds().center().x - alpha.bounds().center().x).abs() <= 1.0);
    assert!(bar.left() <= x.bounds().left() && bar.right() >= x.bounds().right());
}

#[test]
fn scripts_are_smaller_and_above_and_below() {
    let laid = one("σ_i²");
    let [sigma, i, two] = ["σ", "i", "2"].map(|wanted| letter(&laid, wanted));
    assert!(baseline(two) < baseline(sigma) && baseline(sigma) < baseline(i));
    assert!(font_size(i) < font_size(sigma));
    assert!(two.bounds().bottom() <= i.bounds().top() + 1.0);
}

#[test]
fn the_bar_of_a_root_covers_what_is_under_it() {
    let laid = one("√(1 − β_i) z");
    let bar = laid.marks.iter().find_map(|mark| match mark.ink {
        Ink::Rule(bar) => Some(bar),
        _ => None,
    });
    let bar = bar.unwrap();
    let [first, last, beyond] = ["1", "i", "z"].map(|wanted| letter(&laid, wanted).bounds());
    assert!(bar.left() <= first.left() && bar.right() >= last.right() && bar.right() <= beyond.left());
    assert!(bar.bottom() < first.top());
}

#[test]
fn lines_are_broken_at_relations_and_signs_and_statements() {
    let laid = laid_out(["aaa = bbb + ccc,  ddd = eee"], 90.0).remove(0);
    let tops = ["aaa", "+", "ddd"].map(|wanted| baseline(letter(&laid, wanted)));
    assert!(tops[0] < tops[1] && tops[1] < tops[2], "{tops:?}");
    // What goes on is indented, a new statement is not.
    let lefts = ["aaa", "+", "ddd"].map(|wanted| letter(&laid, wanted).bounds().left());
    assert!(lefts[1] > lefts[0] + 10.0 && lefts[2] < lefts[0] + 3.0, "{lefts:?}");
}

#[test]
fn symbols_and_named_parts_belong_to_their_terms() {
    let laid = one("dx = ⟦drift┊−½ β(t) x⟧ − g² s(x, t) + z");
    let has = |wanted: &str, name: &str| letter(&laid, wanted).names.has(name);
    assert!(has("β", "drift") && has("β", "β") && has("s", "score") && has("z", "noise") && has("g", "g"));
    assert!(!has("g", "drift") && !has("=", "drift"));
    // The arguments of the score are part of it.
    let comma = letter(&laid, ",");
    assert!(comma.names.has("score"));
    assert_eq!(name_of(letter(&laid, "β")).as_deref(), Some("β"));
}

#[test]
fn a_term_is_lit_while_it_is_shown_elsewhere_and_no_longer() {
    let ctx = egui::Context::default();
    crate::app::theme::install(&ctx);
    let frame = |shown: bool| {
        let mut lit_now = None;
        let _ = ctx.run_ui(egui::RawInput::default(), |ui| {
            lit_now = lit(ui).map(|name| name.to_string());
            if shown {
                light(ui.ctx(), "η");
            }
        });
        lit_now
    };
    assert_eq!([frame(false), frame(true)], [None, None]);
    assert_eq!([frame(true), frame(false)], [Some("η".into()), Some("η".into())]);
    assert_eq!(frame(false), None);
}
