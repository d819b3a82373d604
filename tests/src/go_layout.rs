//! The rows of `tracer`'s table of runtime structures, as a release's DWARF has them.

use std::fmt::Write;

use crate::GoTypes;

/// Which fields the rows have, see there.
const FIELDS: &str = include_str!("../../tracer/src/go/layout/fields.txt");

/// One member of a row: the fields of one structure of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPart {
    /// Name of the member.
    pub member: String,
    /// Its value, as Rust's source and `{:?}` have it: `M { g0: 0, procid: 72 }`.
    pub value: String,
}

/// A row by `types`, part by part.
///
/// # Errors
/// A line for each field that is not there.
pub fn row_parts(types: &GoTypes) -> Result<Vec<RowPart>, String> {
    let mut missing = String::new();
    let mut parts = Vec::new();
    for group in groups(FIELDS) {
        let mut value = format!("{} {{ ", group.kind);
        for (at, field) in group.fields.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let offset = field.offset(group.structure, types);
            let _ = match (field.is_option, offset) {
                (true, offset) => write!(value, "{comma}{}: {offset:?}", field.member),
                (false, Some(offset)) => write!(value, "{comma}{}: {offset}", field.member),
                (false, None) => writeln!(
                    missing,
                    "{} has no field {}",
                    group.structure,
                    field.paths.join(" or ")
                ),
            };
        }
        value.push_str(" }");
        parts.push(RowPart {
            member: group.member.to_owned(),
            value,
        });
    }
    match missing.is_empty() {
        true => Ok(parts),
        false => Err(missing.trim_end().to_owned()),
    }
}

/// A row as the table has it, `arch` as there: `Amd64` or `Arm64`.
///
/// # Errors
/// As [`row_parts`], and when `release` is not one such as `1.24.11`.
pub fn row_text(release: &str, arch: &str, types: &GoTypes) -> Result<String, String> {
    let mut text = row_head(release, arch)?;
    for part in row_parts(types)? {
        let _ = writeln!(text, "        {}: {},", part.member, part.value);
    }
    text.push_str("    },\n");
    Ok(text)
}

/// What the table has for that release and architecture, if anything.
///
/// # Errors
/// When `release` is not one such as `1.24.11`.
pub fn row_of_table<'a>(
    table: &'a str,
    release: &str,
    arch: &str,
) -> Result<Option<&'a str>, String> {
    const END: &str = "\n    },\n";
    let Some(start) = table.find(&row_head(release, arch)?) else {
        return Ok(None);
    };
    let row = &table[start..];
    Ok(row.find(END).map(|end| &row[..end + END.len()]))
}

/// The releases that the table has rows of, as in `1.24.11`, in its order.
#[must_use]
pub fn releases_of_table(table: &str) -> Vec<String> {
    let mut releases = Vec::new();
    for line in table.lines() {
        let numbers = line.trim().strip_prefix("release: Release::new(");
        let numbers = numbers.and_then(|rest| rest.strip_suffix("),"));
        if let Some((minor, patch)) = numbers.and_then(|numbers| numbers.split_once(", ")) {
            releases.push(format!("1.{minor}.{patch}"));
        }
    }
    releases.dedup();
    releases
}

fn row_head(release: &str, arch: &str) -> Result<String, String> {
    let numbers: Vec<Option<u32>> = release.split('.').map(|n| n.parse().ok()).collect();
    let [Some(1), Some(minor), patch @ ..] = numbers.as_slice() else {
        return Err(format!("{release} is no Go release: give it as 1.24.11"));
    };
    let patch = match patch {
        [] => 0,
        [Some(patch)] => *patch,
        _ => return Err(format!("{release} is no Go release: give it as 1.24.11")),
    };
    Ok(format!(
        "    Layout {{\n        release: Release::new({minor}, {patch}),\n        arch: Arch::{arch},\n"
    ))
}

/// The fields of one structure.
struct Group<'a> {
    member: &'a str,
    kind: &'a str,
    structure: &'a str,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    member: &'a str,
    is_option: bool,
    paths: Vec<&'a str>,
}

impl Field<'_> {
    fn offset(&self, structure: &str, types: &GoTypes) -> Option<u64> {
        self.paths.iter().find_map(|path| {
            let (structure, path) = path.split_once(':').unwrap_or((structure, path));
            types.offset(structure, path)
        })
    }
}

/// Reads the list.
///
/// # Panics
/// With the line that is none.
fn groups(list: &str) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), groups.last_mut()) {
            ([] | ["#", ..], _) => {}
            ([member, kind, "=", structure], _) => groups.push(Group {
                member,
                kind,
                structure,
                fields: Vec::new(),
            }),
            ([member, paths @ ..], Some(group)) if !paths.is_empty() => {
                let name = member.strip_suffix('?');
                group.fields.push(Field {
                    member: name.unwrap_or(member),
                    is_option: name.is_some(),
                    paths: paths.iter().copied().filter(|word| *word != "|").collect(),
                });
            }
            _ => panic!("no line of a list of fields: {line:?}"),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_fields_of_every_structure() {
        let groups = groups(FIELDS);
        assert!(groups.len() >= 11);
        assert!(groups.iter().all(|group| !group.fields.is_empty()));
        let g = &groups[0];
        assert_eq!((g.member, g.kind, g.structure), ("g", "G", "runtime.g"));
        let parent = g.fields.iter().find(|f| f.member == "parent_goid");
        assert!(parent.is_some_and(|f| f.is_option));
    }

    #[test]
    fn a_row_is_found_in_a_table() {
        let table = "    Layout {\n        release: Release::new(24, 3),\n        arch: Arch::Arm64,\n        g: G {},\n    },\n];\n";
        let found = row_of_table(table, "1.24.3", "Arm64").expect("a release");
        assert_eq!(found, table.strip_suffix("];\n"));
        assert_eq!(row_of_table(table, "1.24.3", "Amd64"), Ok(None));
        assert_eq!(row_of_table(table, "1.24", "Arm64"), Ok(None));
        assert!(row_of_table(table, "24.3", "Arm64").is_err());
        assert_eq!(releases_of_table(table), ["1.24.3"]);
    }
}
