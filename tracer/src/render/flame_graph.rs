//! Flame graphs in SVG, with search and zoom.

use std::io::{self, Write};

use inferno::flamegraph::{
    self, Options,
    color::{Color, PaletteMap},
};

use super::folded;
use crate::report::{Frame, FrameKind, StackTree, Unit};

/// Texts around a flame graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlameGraph {
    pub title: String,
    /// Targets, duration and losses.
    pub subtitle: String,
}

/// Writes the tree as SVG. The same tree gives the same bytes.
///
/// # Errors
/// Those of the writer. An empty tree is drawn as a picture that says so.
pub fn write_flame_graph(
    tree: &StackTree,
    texts: &FlameGraph,
    out: &mut impl Write,
) -> io::Result<()> {
    let lines: Vec<String> = folded::lines(tree)
        .iter()
        .map(|(stack, value)| format!("{stack} {value}"))
        .collect();
    if lines.is_empty() {
        return write_empty(texts, out);
    }
    let mut colours = colours(tree);
    let mut options = Options::default();
    options.title = texts.title.clone();
    options.subtitle = (!texts.subtitle.is_empty()).then(|| texts.subtitle.clone());
    options.count_name = match tree.unit {
        Unit::Samples => "samples".to_owned(),
        Unit::Nanoseconds => "µs".to_owned(),
    };
    options.palette_map = Some(&mut colours);
    options.deterministic = true;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}

fn write_empty(texts: &FlameGraph, out: &mut impl Write) -> io::Result<()> {
    let text = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        out,
        "<?xml version=\"1.0\" standalone=\"no\"?>\n\
         <svg version=\"1.1\" width=\"1200\" height=\"100\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <text x=\"600\" y=\"24\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"600\" y=\"48\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"600\" y=\"72\" text-anchor=\"middle\">no stacks</text>\n\
         </svg>",
        text(&texts.title),
        text(&texts.subtitle)
    )
}

/// A colour for each frame: the hue says what it is, the shade only tells neighbours apart.
fn colours(tree: &StackTree) -> PaletteMap {
    let mut colours = PaletteMap::default();
    for frame in &tree.frames {
        colours.insert(folded::frame_name(frame), colour(frame));
    }
    colours
}

fn colour(frame: &Frame) -> Color {
    let shade = shade(&frame.name);
    let (r, g, b) = match frame.kind {
        FrameKind::Kernel => (255, 130 + shade, 40),
        FrameKind::Go => (70, 185 + shade, 200 + shade),
        FrameKind::GoRuntime => (120 + shade, 150 + shade, 230),
        FrameKind::Native => (240, 200 + shade, 70 + shade),
        FrameKind::Thread => (180 + shade, 180 + shade, 180 + shade),
        FrameKind::Unresolved | FrameKind::Note => (225, 90 + shade, 90 + shade),
    };
    Color { r, g, b }
}

/// 0 to 49 by name: FNV-1a, the same in every run and build.
fn shade(name: &str) -> u8 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % 50) as u8
}
