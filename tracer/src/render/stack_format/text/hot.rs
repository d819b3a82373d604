//! The regions that take more than they should.

use std::io::{self, Write};

use super::{clean, cut, percent, tail};
use crate::analysis::HotRegions;
use crate::render::StackOutput;
use crate::report::{HotRegion, StackTree};

/// Characters of each function that leads to a region.
const LEAD: usize = 40;

/// Writes the hot regions, if there is one.
pub(super) fn write(tree: &StackTree, output: &StackOutput, out: &mut dyn Write) -> io::Result<()> {
    let regions = HotRegions::of(tree, &output.hot).regions;
    let hot: Vec<&HotRegion> = regions.iter().filter(|r| r.hot).collect();
    if hot.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:>7} {:>6}  {:18}  LEADS THERE",
        "SHARE", "LIMIT", "HOT REGION"
    )?;
    let total = tree.total();
    for region in hot {
        let lead = |(name, value): &(String, u64)| {
            format!("{} {}", tail(&clean(name), LEAD), percent(*value, total))
        };
        let leads: Vec<String> = region.leads.iter().map(lead).collect();
        let row = format!(
            "{:>7} {:>6}  {:18}  {}",
            percent(region.value, total),
            format!("{}%", region.threshold),
            region.class.name(),
            leads.join(", "),
        );
        writeln!(out, "{}", cut(&row, output.text.width))?;
    }
    Ok(())
}
