//! JSON documents that end with what the run cost.

use serde::Serialize;

use crate::event::{Body, Event};

/// A report, with the cost of the run once that is known.
#[derive(Debug, Serialize)]
pub(super) struct Costed<'a, T> {
    #[serde(flatten)]
    pub(super) report: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<&'a serde_json::Value>,
}

/// The cost in `event`, if it has it; it comes right before the end of the run.
pub(super) fn cost_of(event: &Event) -> Option<serde_json::Value> {
    match &event.body {
        Body::Cost(cost) => Some(cost.json()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Charge, Cost};

    #[derive(Serialize)]
    struct Report {
        n: u64,
    }

    #[test]
    fn the_cost_is_the_last_key_when_it_is_known() {
        let text = |cost| {
            let costed = Costed {
                report: &Report { n: u64::MAX },
                cost,
            };
            serde_json::to_string(&costed).expect("plain data")
        };
        assert_eq!(text(None), r#"{"n":18446744073709551615}"#);
        let cost = Cost {
            wall_ns: 1000,
            target_cpu_ns: 100,
            cpus: 1,
            charges: vec![Charge {
                target_ns: 4,
                ..Charge::default()
            }],
            ..Cost::default()
        };
        let event = Event {
            time_ns: 0,
            pid: 0,
            tid: 0,
            cpu: 0,
            goid: None,
            body: Body::Cost(Box::new(cost)),
        };
        let known = cost_of(&event).expect("the cost");
        let text = text(Some(&known));
        assert!(text.starts_with(r#"{"n":18446744073709551615,"cost":{"#));
        assert_eq!(known["target_cpu_percent"], 4.0);
        assert_eq!(known["target_wall_percent"], 0.4);
    }
}
