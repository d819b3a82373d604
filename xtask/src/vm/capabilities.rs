//! What `tracer doctor` says in a guest, against what kernels.toml expects of the kernel: less is
//! a regression, more is a table out of date.

use std::collections::BTreeMap;

use serde_json::Value;

/// Differences between a guest's doctor and what is expected, one line each; none when it says
/// what it should.
///
/// `expected` has `STATUS` or `STATUS: DETAIL` for every check; a check that is missing on either
/// side is a difference.
pub(super) fn differences(expected: &BTreeMap<String, String>, doctor: &str) -> Vec<String> {
    let Some(checks) = read(doctor) else {
        return vec!["doctor printed no document".to_owned()];
    };
    let mut lines = Vec::new();
    for (id, (status, detail)) in &checks {
        let said = format!("{status}: {detail}");
        match expected.get(id) {
            None => lines.push(format!("{id}: not expected to be checked, is {said:?}")),
            Some(wanted) if wanted == status || *wanted == said => (),
            Some(wanted) => lines.push(format!("{id}: expected {wanted:?}, is {said:?}")),
        }
    }
    let missing = expected.keys().filter(|id| !checks.contains_key(*id));
    lines.extend(missing.map(|id| format!("{id}: expected, but not checked")));
    lines
}

/// Status and detail of each check.
fn read(doctor: &str) -> Option<BTreeMap<String, (String, String)>> {
    let document: Value = serde_json::from_str(doctor).ok()?;
    let text = |check: &Value, key: &str| check[key].as_str().map(str::to_owned);
    document["checks"]
        .as_array()?
        .iter()
        .map(|check| {
            let said = (text(check, "status")?, text(check, "detail")?);
            Some((text(check, "id")?, said))
        })
        .collect()
}

/// The lines of kernels.toml that would expect just what a doctor said.
pub(super) fn as_expected(doctor: &str) -> String {
    let checks = read(doctor).unwrap_or_default();
    let line = |(id, (status, _)): (&String, &(String, String))| format!("{id} = {status:?}\n");
    checks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCTOR: &str = r#"{"checks": [
        {"id": "btf", "status": "ok", "detail": "5 MiB"},
        {"id": "uprobes", "status": "limited", "detail": "no cookies"}]}"#;

    fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_is_as_expected_is_no_difference() {
        let by_status = expected(&[("btf", "ok"), ("uprobes", "limited")]);
        assert!(differences(&by_status, DOCTOR).is_empty());
        let by_detail = expected(&[("btf", "ok"), ("uprobes", "limited: no cookies")]);
        assert!(differences(&by_detail, DOCTOR).is_empty());
        assert_eq!(as_expected(DOCTOR), "btf = \"ok\"\nuprobes = \"limited\"\n");
    }

    #[test]
    fn losses_gains_and_what_is_missing_are_differences() {
        let differ = |pairs: &[(&str, &str)]| differences(&expected(pairs), DOCTOR).join("|");
        assert_eq!(
            differ(&[("btf", "missing"), ("uprobes", "ok")]),
            "btf: expected \"missing\", is \"ok: 5 MiB\"|\
             uprobes: expected \"ok\", is \"limited: no cookies\""
        );
        assert_eq!(
            differ(&[
                ("btf", "ok"),
                ("uprobes", "limited: in groups"),
                ("jit", "ok")
            ]),
            "uprobes: expected \"limited: in groups\", is \"limited: no cookies\"|\
             jit: expected, but not checked"
        );
        assert_eq!(
            differ(&[("uprobes", "limited")]),
            "btf: not expected to be checked, is \"ok: 5 MiB\""
        );
        assert_eq!(differences(&expected(&[]), "").len(), 1);
        assert_eq!(differences(&expected(&[]), "{\"checks\": [{}]}").len(), 1);
    }
}
