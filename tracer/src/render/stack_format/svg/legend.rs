//! What colours mean, and the hot regions, below a flame graph.

use inferno::flamegraph::color::Color;

use super::{HOT, colour};
use crate::analysis::HotRegions;
use crate::report::{Frame, FrameKind, StackTree};
use crate::term::is_control;

/// Height of a row, in pixels.
const ROW: usize = 18;

/// Width of one meaning of a colour, in pixels.
const COLUMN: usize = 130;

/// What a colour can mean: name, kind and whether inlined.
const MEANINGS: [(&str, FrameKind, bool); 6] = [
    ("kernel", FrameKind::Kernel, false),
    ("Go", FrameKind::Go, false),
    ("Go runtime", FrameKind::GoRuntime, false),
    ("C, C++, Rust", FrameKind::Native, false),
    ("inlined", FrameKind::Native, true),
    ("no name", FrameKind::Unresolved, false),
];

/// The picture with its legend. One that does not say how high it is stays as it is.
pub(super) fn added(svg: &str, tree: &StackTree, found: &HotRegions) -> String {
    let Some((height, end)) = height(svg).zip(svg.rfind("</svg>")) else {
        return svg.to_owned();
    };
    let rows = rows(tree, found);
    let taller = height + (rows.len() + 1) * ROW;
    // The picture, its view and its background; no frame is as high.
    let head_end = svg.find("<svg id=\"frames\"").unwrap_or(0);
    let head = svg[..head_end]
        .replace(
            &format!("height=\"{height}\""),
            &format!("height=\"{taller}\""),
        )
        .replace(&format!(" {height}\""), &format!(" {taller}\""));
    let mut legend = String::from("<g id=\"legend\">");
    for (at, row) in rows.iter().enumerate() {
        let y = height + at * ROW;
        for (column, (color, text)) in row.iter().enumerate() {
            let x = 10 + column * COLUMN;
            let Color { r, g, b } = *color;
            legend += &format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"rgb({r},{g},{b})\"/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                x + 17,
                y + 11,
                escaped(text),
            );
        }
    }
    legend += "</g>";
    format!("{head}{}{legend}{}", &svg[head_end..end], &svg[end..])
}

/// As the picture's own tag says it.
fn height(svg: &str) -> Option<usize> {
    let tag = &svg[svg.find("<svg ")?..];
    let value = tag.split_once("height=\"")?.1;
    value.split_once('"')?.0.parse().ok()
}

/// First the meanings of the colours in the picture, then a row for each hot region.
fn rows(tree: &StackTree, found: &HotRegions) -> Vec<Vec<(Color, String)>> {
    let is_used = |kind, inlined| {
        let is = |f: &Frame| f.inlined == inlined && (inlined || f.kind == kind);
        tree.frames.iter().any(is)
    };
    let meanings = MEANINGS.into_iter();
    let used = meanings.filter(|&(_, kind, inlined)| is_used(kind, inlined));
    let mut rows = vec![
        used.map(|(name, kind, inlined)| {
            let frame = Frame {
                name: String::new(),
                module: None,
                kind,
                inlined,
                file: None,
                line: None,
                code: None,
            };
            (colour(&frame), name.to_owned())
        })
        .collect(),
    ];
    for region in found.regions.iter().filter(|r| r.hot) {
        let leads: Vec<&str> = region.leads.iter().map(|(name, _)| name.as_str()).collect();
        let text = format!(
            "hot region: {} {:.1}% (hot from {}%), from {}",
            region.class.name(),
            region.percent,
            region.threshold,
            leads.join(", "),
        );
        rows.push(vec![(HOT, text)]);
    }
    rows
}

fn escaped(text: &str) -> String {
    let shown = |c| if is_control(c) { '?' } else { c };
    let text: String = text.chars().map(shown).collect();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use crate::render::stack_tests::{on_cpu_bytes, whole_run};

    #[test]
    fn the_picture_grows_by_its_legend() {
        let svg = String::from_utf8(on_cpu_bytes("svg", false, &whole_run())).expect("text");
        let height = super::height(&svg).expect("it says so");
        assert!(svg.contains(&format!("viewBox=\"0 0 1200 {height}\"")));
        assert_eq!(
            svg.matches(&format!("height=\"{height}\"")).count(),
            2,
            "and its background"
        );
        for text in ["kernel", "Go runtime", "inlined", "no name"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        assert!(!svg.contains("C, C++"), "there is none");
        let region =
            "hot region: system calls 25.0% (hot from 12%), from do_syscall_64, main.work; x";
        assert!(svg.contains(region), "{svg}");
    }
}
