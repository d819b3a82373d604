//! What `tracer doctor` says in a guest, against what kernels.toml expects of the kernel: less is
//! a regression, more is a table out of date.

use std::collections::BTreeMap;

use serde_json::Value;

/// Section of doctor's document → id → what it says.
pub(super) type Said<T> = BTreeMap<String, BTreeMap<String, T>>;

/// The sections that are compared, and the key of an entry's name in each.
const SECTIONS: [(&str, &str); 4] = [
    ("checks", "id"),
    ("features", "id"),
    ("kernel_features", "id"),
    ("commands", "name"),
];

/// Status of an entry, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    status: String,
    detail: String,
}

/// Differences between a guest's doctor and what is expected, one line each; none when it says
/// what it should.
///
/// `expected` has a status for every entry; one that is missing on either side is a difference.
pub(super) fn differences(expected: &Said<String>, doctor: &str) -> Vec<String> {
    let Some(said) = read(doctor) else {
        return vec!["it printed no document".to_owned()];
    };
    let mut lines = Vec::new();
    for (section, entries) in &said {
        for (id, Entry { status, detail }) in entries {
            match expected.get(section).and_then(|e| e.get(id)) {
                Some(wanted) if wanted == status => (),
                Some(wanted) => lines.push(format!(
                    "{section}.{id}: expected {wanted}, is {status}{detail}"
                )),
                None => lines.push(format!(
                    "{section}.{id}: is {status}{detail}; kernels.toml does not know it"
                )),
            }
        }
    }
    for (section, entries) in expected {
        let has = |id: &&String| said.get(section).is_some_and(|s| s.contains_key(*id));
        let missing = entries.keys().filter(|id| !has(id));
        lines.extend(missing.map(|id| format!("{section}.{id}: expected, but not there")));
    }
    lines
}

/// The entries of a document; `None` when it is none, or an entry has no status.
fn read(doctor: &str) -> Option<Said<Entry>> {
    let document: Value = serde_json::from_str(doctor).ok()?;
    SECTIONS
        .iter()
        .map(|(section, key)| {
            let entries = document[section].as_array()?;
            let entries: Option<BTreeMap<_, _>> = entries.iter().map(|e| entry(e, key)).collect();
            Some(((*section).to_owned(), entries?))
        })
        .collect()
}

fn entry(value: &Value, key: &str) -> Option<(String, Entry)> {
    let id = value[key].as_str()?.to_owned();
    // Features of the kernel have no status: they work or do not.
    let works = |works| if works { "ok" } else { "missing" };
    let status = value["status"].as_str();
    let status = status.or_else(|| value["works"].as_bool().map(works))?;
    let detail = value["detail"].as_str().or(value["error"].as_str());
    let entry = Entry {
        status: status.to_owned(),
        detail: detail.map(|d| format!(" ({d})")).unwrap_or_default(),
    };
    Some((id, entry))
}

/// The lines of kernels.toml that would expect just what a doctor said.
pub(super) fn as_expected(doctor: &str) -> String {
    let said = read(doctor).unwrap_or_default();
    let mut text = String::new();
    for (section, entries) in said {
        text += &format!("[kernel.doctor.{section}]\n");
        for (id, entry) in entries {
            text += &format!("{id:?} = {:?}\n", entry.status);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCTOR: &str = r#"{
        "checks": [{"id": "btf", "status": "ok", "detail": "5 MiB"}],
        "features": [{"id": "go-gc", "status": "limited", "detail": "no cookies"}],
        "kernel_features": [{"id": "cookies", "works": false, "error": "Invalid argument"}],
        "commands": [{"name": "sched --go", "status": "ok", "why": []}]}"#;

    const EXPECTED: [(&str, &str, &str); 4] = [
        ("checks", "btf", "ok"),
        ("features", "go-gc", "limited"),
        ("kernel_features", "cookies", "missing"),
        ("commands", "sched --go", "ok"),
    ];

    fn differ(expected: &[(&str, &str, &str)]) -> String {
        let mut sections = Said::new();
        for (section, id, status) in expected {
            let section: &mut BTreeMap<_, _> = sections.entry((*section).to_owned()).or_default();
            section.insert((*id).to_owned(), (*status).to_owned());
        }
        differences(&sections, DOCTOR).join("|")
    }

    #[test]
    fn what_is_as_expected_is_no_difference() {
        assert_eq!(differ(&EXPECTED), "");
        assert_eq!(
            as_expected(DOCTOR),
            "[kernel.doctor.checks]\n\"btf\" = \"ok\"\n\
             [kernel.doctor.commands]\n\"sched --go\" = \"ok\"\n\
             [kernel.doctor.features]\n\"go-gc\" = \"limited\"\n\
             [kernel.doctor.kernel_features]\n\"cookies\" = \"missing\"\n"
        );
    }

    #[test]
    fn losses_gains_and_what_is_missing_are_differences() {
        let mut changed = EXPECTED;
        changed[1].2 = "ok";
        assert_eq!(
            differ(&changed),
            "features.go-gc: expected ok, is limited (no cookies)"
        );
        let mut changed = EXPECTED;
        changed[0].2 = "missing";
        assert_eq!(
            differ(&changed),
            "checks.btf: expected missing, is ok (5 MiB)"
        );
        assert_eq!(
            differ(&EXPECTED[..3]),
            "commands.sched --go: is ok; kernels.toml does not know it"
        );
        let more = [&EXPECTED[..], &[("checks", "jit", "ok")]].concat();
        assert_eq!(differ(&more), "checks.jit: expected, but not there");
    }

    #[test]
    fn what_is_no_document_is_a_difference() {
        let half = &DOCTOR[..DOCTOR.len() / 2];
        for text in ["", "{}", half, &DOCTOR.replace("\"status\": \"ok\", ", "")] {
            assert_eq!(differences(&Said::new(), text).len(), 1, "{text}");
        }
    }
}
