//! Flame graphs in SVG, with search and zoom.

mod legend;

use std::io::{self, Write};

use inferno::flamegraph::{
    self, Options,
    color::{Color, PaletteMap},
};

use super::{Shown, folded, table::hot_regions};
use crate::analysis::HotRegions;
use crate::render::caption::Caption;
use crate::report::{Frame, FrameKind, StackTree, Unit};

/// Writes the tree as SVG. The same tree gives the same bytes. An empty tree is drawn as a picture
/// that says so.
pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let tree = shown.profile.tree();
    let texts = Caption::of(shown.profile);
    let lines: Vec<String> = folded::lines(tree)
        .iter()
        .map(|(stack, value)| format!("{stack} {value}"))
        .collect();
    if lines.is_empty() {
        return write_empty(&texts, out);
    }
    let found = hot_regions(shown);
    let mut colours = colours(tree, &found);
    let mut options = Options::default();
    options.title = texts.title.clone();
    options.subtitle = (!texts.subtitle.is_empty()).then(|| texts.subtitle.clone());
    options.count_name = match tree.unit {
        Unit::Samples => "samples".to_owned(),
        Unit::Nanoseconds => "µs".to_owned(),
        Unit::Bytes => "bytes".to_owned(),
    };
    options.palette_map = Some(&mut colours);
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    let svg = String::from_utf8(svg).map_err(io::Error::other)?;
    out.write_all(legend::added(&svg, tree, &found).as_bytes())
}

fn write_empty(texts: &Caption, out: &mut dyn Write) -> io::Result<()> {
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

/// A colour for each frame: the hue says what it is, the shade only tells neighbours apart. Where a
/// hot region begins, the colour says that.
fn colours(tree: &StackTree, found: &HotRegions) -> PaletteMap {
    let mut colours = PaletteMap::default();
    for frame in &tree.frames {
        colours.insert(folded::frame_name(frame), colour(frame));
    }
    for node in 0..tree.nodes.len() as u32 {
        if found.begins_hot(tree, node).is_some() {
            colours.insert(folded::frame_name(tree.frame(node)), HOT);
        }
    }
    colours
}

/// Where a hot region begins.
const HOT: Color = Color {
    r: 225,
    g: 60,
    b: 160,
};

fn colour(frame: &Frame) -> Color {
    let shade = shade(&frame.name);
    let (r, g, b) = match frame.kind {
        _ if frame.inlined => (110 + shade, 200 + shade, 120),
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
