//! From the parts of a formula to letters, bars and roots at their places, by TeX's rules for mathematics.

use super::block::{Block, Ink, Mark, Names};
use super::parse::{Class, Node, parse};
use super::type_case::{Face, TypeCase};
use egui::{Pos2, Rect, Vec2, pos2, vec2};
use std::sync::Arc;

/// A formula at its places: the baseline of its first line begins at the origin's height plus `ascent`.
#[derive(Clone, Debug, Default)]
pub struct Laid {
    pub size: Vec2,
    /// In the order of the text, from the left top corner.
    pub marks: Vec<Mark>,
}

/// Steps by which a formula that finds no room becomes smaller.
const SMALLER: [f32; 3] = [1.0, 0.85, 0.72];

/// Lays a line of text out in this width, letters of `size` points, broken where it is too wide for one line.
pub fn lay(case: &mut TypeCase<'_, '_>, text: &str, size: f32, width: f32) -> Laid {
    let nodes = parse(text);
    let mut laid = Laid::default();
    for factor in SMALLER {
        let style = Style { size: size * factor, script: false };
        let mut items = Vec::new();
        Setter { case }.row(&nodes, style, &Names::default(), Some(0), &mut items);
        laid = broken(items, style.size, width);
        if laid.size.x <= width {
            break;
        }
    }
    laid
}

#[derive(Clone, Copy)]
struct Style {
    size: f32,
    /// In scripts there is no room around signs, and fractions are written in one line.
    script: bool,
}

/// A block with what stands between it and the one before.
struct Item {
    block: Block,
    gap: f32,
    /// How bad it is to begin a line with it; `None`: not possible. 0: it is a statement of its own.
    cut: Option<u32>,
}

/// Height of the axis on which bars and operations lie, above the baseline; of the font, in its size.
const AXIS: f32 = 0.25;
const X_HEIGHT: f32 = 0.431;
/// Thickness of bars.
const RULE: f32 = 0.05;
const THIN: f32 = 3.0 / 18.0;
const MEDIUM: f32 = 4.0 / 18.0;
const THICK: f32 = 5.0 / 18.0;
/// Room between words, and after a comma.
const WORD: f32 = 0.28;
const QUAD: f32 = 1.0;

struct Setter<'a, 'f, 'v> {
    case: &'a mut TypeCase<'f, 'v>,
}

impl Setter<'_, '_, '_> {
    /// Parts beside each other as one block.
    fn block(&mut self, nodes: &[Node], style: Style, names: &Names) -> Block {
        let mut items = Vec::new();
        self.row(nodes, style, names, None, &mut items);
        let mut whole = Block::default();
        for item in items {
            whole.append(item.gap, item.block);
        }
        whole
    }

    /// Parts beside each other. `depth`: of groups that may be broken; `None`: nothing may.
    fn row(&mut self, nodes: &[Node], style: Style, names: &Names, depth: Option<u32>, items: &mut Vec<Item>) {
        let mut before = Before { class: None, unary: false, space: None };
        self.parts(nodes, style, names, depth, &mut before, items);
    }

    fn parts(
        &mut self,
        nodes: &[Node],
        style: Style,
        names: &Names,
        depth: Option<u32>,
        before: &mut Before,
        items: &mut Vec<Item>,
    ) {
        for node in nodes {
            match node {
                Node::Space { wide } => before.space = Some(*wide || before.space == Some(true)),
                // A name has no room of its own.
                Node::Term { name, body } => {
                    self.parts(body, style, &names.within(name), depth, before, items);
                }
                node => {
                    let class = class(node);
                    let (gap, cut) = before.stand_off(class, style, depth);
                    match (node, depth) {
                        (Node::Group { open, close, body }, Some(depth)) => {
                            self.open_group(([*open, *close], body), style, names, depth, (gap, cut), items);
                        }
                        _ => items.push(Item { block: self.node(node, style, names), gap, cut }),
                    }
                    before.pass(class);
                }
            }
        }
    }

    /// A group whose parts may begin lines.
    fn open_group(
        &mut self,
        (brackets, body): ([char; 2], &[Node]),
        style: Style,
        names: &Names,
        depth: u32,
        (gap, cut): (f32, Option<u32>),
        items: &mut Vec<Item>,
    ) {
        let content = self.block(body, style, names);
        if let (true, [Node::Fraction { .. }]) = (brackets == ['(', ')'], body) {
            // The bar of a fraction holds it together.
            items.push(Item { block: content, gap, cut });
            return;
        }
        let [open, close] = brackets.map(|bracket| self.bracket(bracket, &content, style, names));
        items.push(Item { block: open, gap, cut });
        let first = items.len();
        self.row(body, style, names, Some(depth + 1), items);
        if let Some(item) = items.get_mut(first) {
            (item.gap, item.cut) = (0.0, None);
        }
        items.push(Item { block: close, gap: 0.0, cut: None });
    }

    fn node(&mut self, node: &Node, style: Style, names: &Names) -> Block {
        match node {
            Node::Symbol { text, hat, class } => self.symbol(text, *hat, *class, style, names),
            Node::Space { .. } => Block::default(),
            Node::Group { open, close, body } => self.group([*open, *close], body, style, names),
            Node::Fraction { over, under } if style.script => self.level_fraction(over, under, style, names),
            Node::Fraction { over, under } => self.fraction(over, under, style, names),
            Node::Root(body) => self.root(body, style, names),
            Node::Scripts { base, sub, sup } => self.scripts(base, sub, sup, style, names),
            Node::Unit(body) => self.unit(body, style, names),
            Node::Term { name, body } => self.block(body, style, &names.within(name)),
        }
    }

    fn symbol(&mut self, text: &str, hat: bool, class: Class, style: Style, names: &Names) -> Block {
        let shown = Face::shown(text);
        let names = names.of_symbol(text, hat, class);
        let letters = self.case.set(shown, Face::of(text, class), style.size);
        let mut block = Block::of_letters(letters, &names);
        if class == Class::Operator && text != "∇" {
            // Large operators stand on the axis.
            let middle = (block.ascent - block.descent) / 2.0;
            block.shift(vec2(0.0, middle - AXIS * style.size));
        }
        if hat {
            self.add_hat(&mut block, style, &names);
        }
        block
    }

    /// Puts a hat on a letter: above its middle, as slanted as it is.
    fn add_hat(&mut self, block: &mut Block, style: Style, names: &Names) {
        let hat = Block::of_letters(self.case.set("ˆ", Face::Upright, style.size), names);
        let middle = block.ink().map_or(block.width / 2.0, |ink| ink.center().x) + 0.04 * style.size;
        let rise = (block.ascent - X_HEIGHT * style.size).max(0.0);
        let own = hat.ink().map_or(hat.width / 2.0, |ink| ink.center().x);
        let at = vec2(middle - own, -rise);
        block.overlay(at, hat);
    }

    fn group(&mut self, brackets: [char; 2], body: &[Node], style: Style, names: &Names) -> Block {
        let content = self.block(body, style, names);
        if let (true, false, [Node::Fraction { .. }]) = (brackets == ['(', ')'], style.script, body) {
            return content;
        }
        self.bracketed(brackets, content, style, names)
    }

    fn bracketed(&mut self, brackets: [char; 2], content: Block, style: Style, names: &Names) -> Block {
        let [mut whole, close] = brackets.map(|bracket| self.bracket(bracket, &content, style, names));
        whole.append(0.0, content);
        whole.append(0.0, close);
        whole
    }

    /// A bracket as high as what it holds.
    fn bracket(&mut self, bracket: char, content: &Block, style: Style, names: &Names) -> Block {
        let axis = AXIS * style.size;
        let reach = (content.ascent - axis).max(content.descent + axis) / style.size;
        let face = match reach {
            _ if "‖|".contains(bracket) => Face::Upright,
            low if low <= 0.62 => Face::Upright,
            middle if middle <= 0.8 => Face::Large,
            _ => Face::Larger,
        };
        Block::of_letters(self.case.set(Face::shown(bracket.encode_utf8(&mut [0; 4])), face, style.size), names)
    }

    fn fraction(&mut self, over: &[Node], under: &[Node], style: Style, names: &Names) -> Block {
        let is_digit = |part: &[Node]| matches!(part, [Node::Symbol { text, .. }] if text.len() == 1 && text.as_bytes()[0].is_ascii_digit());
        let factor = if is_digit(over) && is_digit(under) { 0.7 } else { 0.82 };
        let small = Style { size: style.size * factor, ..style };
        let [over, under] = [over, under].map(|part| self.block(part, small, names));
        let (axis, rule) = (AXIS * style.size, self.rule(style));
        let (room, clear) = (0.1 * style.size, 0.14 * style.size);
        let width = over.width.max(under.width) + 2.0 * room;
        let rise = axis + rule / 2.0 + clear + over.descent.max(0.0);
        let fall = -axis + rule / 2.0 + clear + under.ascent;
        let mut whole = Block { width: width + 2.0 * room, ..Block::default() };
        let left = |part: &Block| room + (width - part.width) / 2.0;
        whole.overlay(vec2(left(&over), -rise), over);
        let bar = Rect::from_min_size(pos2(room, -axis - rule / 2.0), vec2(width, rule));
        whole.marks.push(Mark { ink: Ink::Rule(bar), names: names.clone() });
        whole.overlay(vec2(left(&under), fall), under);
        whole
    }

    /// a/b in one line.
    fn level_fraction(&mut self, over: &[Node], under: &[Node], style: Style, names: &Names) -> Block {
        let mut whole = Block::default();
        for (place, part) in [over, under].into_iter().enumerate() {
            if place > 0 {
                whole.append(0.0, self.symbol("/", false, Class::Ordinary, style, names));
            }
            let content = self.block(part, style, names);
            let content = if part.len() > 2 { self.bracketed(['(', ')'], content, style, names) } else { content };
            whole.append(0.0, content);
        }
        whole
    }

    fn root(&mut self, body: &[Node], style: Style, names: &Names) -> Block {
        let content = self.block(body, style, names);
        let (em, rule) = (style.size, self.rule(style));
        let top = -(content.ascent.max(X_HEIGHT * em) + 0.16 * em);
        let foot = content.descent.max(0.05 * em) + 0.02 * em;
        let (hook, stem) = (0.28 * em, 0.5 * em);
        let middle = foot - 0.55 * (foot - top);
        let points = vec![
            pos2(0.06 * em, middle + 0.06 * em),
            pos2(0.16 * em, middle),
            pos2(hook, foot),
            pos2(stem, top + rule / 2.0),
        ];
        let mut whole = Block { width: stem, ascent: -top + rule, descent: foot, marks: Vec::new() };
        whole.marks.push(Mark { ink: Ink::Surd { points, width: rule }, names: names.clone() });
        let bar = Rect::from_min_size(pos2(stem - rule / 2.0, top), vec2(content.width + 0.1 * em, rule));
        whole.marks.push(Mark { ink: Ink::Rule(bar), names: names.clone() });
        whole.append(0.04 * em, content);
        whole.width += 0.06 * em;
        whole
    }

    fn scripts(&mut self, base: &Node, sub: &[Node], sup: &[Node], style: Style, names: &Names) -> Block {
        let mut whole = match base {
            // A power of a fraction needs its brackets.
            Node::Group { open, close, body } => {
                let content = self.block(body, style, names);
                self.bracketed([*open, *close], content, style, names)
            }
            base => self.node(base, style, names),
        };
        let em = style.size;
        let names = match base {
            Node::Symbol { text, hat, class } => names.of_symbol(text, *hat, *class),
            _ => names.clone(),
        };
        let small = Style { size: if style.script { em * 0.85 } else { em * 0.7 }, script: true };
        let [low, high] = [sub, sup].map(|part| self.block(part, small, &names));
        let is_letter = matches!(base, Node::Symbol { .. });
        let (tall, deep) = if is_letter { (0.0, 0.0) } else { (whole.ascent, whole.descent) };
        let mut rise = (0.4 * em).max(tall - 0.36 * small.size);
        let mut fall = (0.18 * em).max(deep - 0.1 * em);
        if !sub.is_empty() && !sup.is_empty() {
            // A little room between them.
            let overlap = (fall.max(0.22 * em) - low.ascent) + (rise - high.descent);
            let lacks = (0.12 * em - overlap).max(0.0);
            fall = fall.max(0.22 * em) + 0.5 * lacks;
            rise += 0.5 * lacks;
        }
        // A slanted letter leans towards its superscript.
        let lean = whole.ink().map_or(0.0, |ink| (ink.right() - whole.width).clamp(0.0, 0.15 * em));
        let (at, width) = (whole.width, low.width.max(high.width + lean));
        whole.overlay(vec2(at, fall), low);
        whole.overlay(vec2(at + lean, -rise), high);
        whole.width = if width > 0.0 { at + width + 0.04 * em } else { at };
        whole
    }

    /// A differential, or a function with its arguments, which belong to its term.
    fn unit(&mut self, body: &[Node], style: Style, names: &Names) -> Block {
        let (first, rest) = body.split_at(body.len().min(1));
        let noise =
            matches!(body, [Node::Symbol { text: d, .. }, Node::Symbol { text, .. }] if d == "d" && text == "w");
        let named = match first {
            _ if noise => names.within("noise"),
            [Node::Symbol { text, hat, class }] => names.of_function(text, *hat, *class),
            _ => names.clone(),
        };
        let mut whole = self.block(first, style, &named);
        let rest = match rest {
            [Node::Group { open, close, body }] => {
                let content = self.block(body, style, &named);
                self.bracketed([*open, *close], content, style, &named)
            }
            rest => self.block(rest, style, &named),
        };
        whole.append(0.0, rest);
        whole
    }

    fn rule(&self, style: Style) -> f32 {
        (RULE * style.size).max(self.case.pixel())
    }
}

/// What came before in a row.
struct Before {
    class: Option<Class>,
    /// Whether it is a sign of what follows.
    unary: bool,
    space: Option<bool>,
}

impl Before {
    /// How far the next part stands off, and how bad a line's end before it is.
    fn stand_off(&mut self, class: Class, style: Style, depth: Option<u32>) -> (f32, Option<u32>) {
        let space = self.space.take();
        let Some(last) = self.class else {
            self.unary = class == Class::Binary;
            return (0.0, None);
        };
        let follows = matches!(last, Class::Relation | Class::Binary | Class::Punctuation | Class::Operator);
        let was_unary = std::mem::replace(&mut self.unary, class == Class::Binary && (follows || space == Some(true)));
        let binary = class == Class::Binary && !self.unary;
        let (gap, cut) = match (last, class) {
            _ if space == Some(true) => (QUAD, Some(0)),
            _ if was_unary => (0.0, None),
            (_, Class::Punctuation) => (0.0, None),
            (_, Class::Relation) => (THICK, Some(2)),
            (Class::Relation, _) => (THICK, None),
            _ if binary => (MEDIUM, Some(3)),
            (Class::Binary, _) => (MEDIUM, None),
            (Class::Punctuation, _) if space.is_some() => (WORD, Some(3)),
            (Class::Word, _) | (_, Class::Word) if space.is_some() => (WORD, Some(3)),
            (Class::Operator, _) => (THIN, None),
            _ if space.is_some() || class == Class::Operator => (THIN, Some(6)),
            _ => (0.0, None),
        };
        let gap = if style.script && space != Some(true) { gap * 0.4 } else { gap };
        (gap * style.size, cut.and_then(|cut| depth.map(|depth| cut + 4 * depth)))
    }

    fn pass(&mut self, class: Class) {
        self.class = Some(if self.unary { Class::Ordinary } else { class });
    }
}

fn class(node: &Node) -> Class {
    match node {
        Node::Symbol { class, .. } => *class,
        Node::Scripts { base, .. } => class(base),
        _ => Class::Ordinary,
    }
}

/// Blocks in lines no wider than `width` where that is possible.
fn broken(items: Vec<Item>, em: f32, width: f32) -> Laid {
    let mut laid = Laid::default();
    let mut rest = items;
    let mut indent = 0.0;
    let mut top = 0.0;
    while !rest.is_empty() {
        let next = line_end(&rest, width - indent);
        let later = rest.split_off(next);
        let mut line = Block::default();
        for (place, item) in rest.into_iter().enumerate() {
            line.append(if place == 0 { 0.0 } else { item.gap }, item.block);
        }
        let (ascent, descent) = (line.ascent.max(0.75 * em), line.descent.max(0.25 * em));
        if top > 0.0 {
            top += 0.2 * em;
        }
        line.shift(vec2(indent, top + ascent));
        laid.size = vec2(laid.size.x.max(indent + line.width), top + ascent + descent);
        laid.marks.extend(line.marks);
        top += ascent + descent;
        indent = if later.first().is_some_and(|item| item.cut == Some(0)) { 0.0 } else { 1.4 * em };
        rest = later;
    }
    laid
}

/// How many of the items make the next line.
fn line_end(items: &[Item], width: f32) -> usize {
    let mut x = 0.0;
    let mut best: Option<(u32, usize)> = None;
    for (place, item) in items.iter().enumerate() {
        if let (Some(cut), true) = (item.cut, place > 0) {
            // A nearly empty line is as bad as a break in a group.
            let cut = if x < 0.3 * width && cut > 0 { cut + 4 } else { cut };
            if x <= width && best.is_none_or(|(least, _)| cut <= least) {
                best = Some((cut, place));
            }
        }
        x += item.block.width + if place == 0 { 0.0 } else { item.gap };
        if let (true, Some((_, end))) = (x > width, best) {
            return end;
        }
    }
    items.len()
}

/// The mark at a point, or the nearest within a few points of it.
pub fn mark_at(laid: &Laid, at: Pos2) -> Option<&Mark> {
    let near = laid.marks.iter().map(|mark| (mark, mark.bounds().distance_to_pos(at)));
    let nearest = near.filter(|(mark, _)| mark.names.own.is_some() || mark.names.within.is_some());
    nearest.filter(|(_, distance)| *distance < 3.0).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(mark, _)| mark)
}

impl Names {
    /// Those of a part of this term.
    fn within(&self, name: &str) -> Names {
        Names { own: None, within: Some(Arc::from(name)) }
    }

    /// Those of a symbol by itself.
    fn of_symbol(&self, text: &str, hat: bool, class: Class) -> Names {
        let own = match (text, hat, class) {
            (_, _, Class::Word) => None,
            ("x", true, _) => Some(Arc::from("denoised")),
            ("s", false, _) => Some(Arc::from("score")),
            ("z", false, _) => Some(Arc::from("noise")),
            ("f", false, _) => Some(Arc::from("drift")),
            (letter, true, _) => Some(Arc::from(format!("{letter}\u{302}"))),
            (letter, false, _) => {
                letter.chars().next().filter(|first| first.is_alphabetic()).map(|_| Arc::from(letter))
            }
        };
        Names { own: own.or_else(|| self.own.clone()), within: self.within.clone() }
    }

    /// Those of a function's arguments: they belong to it.
    fn of_function(&self, text: &str, hat: bool, class: Class) -> Names {
        let own = self.of_symbol(text, hat, class).own;
        Names { own: None, within: self.within.clone().or(own) }
    }
}
