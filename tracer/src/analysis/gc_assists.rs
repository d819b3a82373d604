//! Assists of the garbage collector: which functions, which `go` statements and which goroutines mark
//! because they allocate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gc::{ASSIST_PROBES, GcRecord};
use crate::event::{Body, Event, FrameSymbol, GcAssists, GoAssist};

/// The probes of waits, as [`Curbed`](crate::event::Curbed) calls them.
const WAIT_PROBES: &str = "go_assist_wait";

/// Assists of a run. Times in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GcAssistReport {
    pub count: u64,
    pub time_ns: u64,
    pub max_ns: u64,
    /// Of the time that Ps ran goroutines, assists included, 0 to 1: from the end of the first cycle that
    /// was seen to that of the last. `None` when the runtime does not tell (before Go 1.20).
    pub mutator_share: Option<f64>,
    /// Goroutines that could be told apart.
    pub goroutine_count: u64,
    /// Cycles of which all assists were seen, ...
    pub cycles: u64,
    /// ... what the probes saw in them,
    pub seen_ns: u64,
    /// and what the runtime counted (`gcController.assistTime`).
    pub runtime_ns: u64,
    /// How long they were measured, where that was not to the end: they cost too much.
    pub watched_ns: Option<u64>,
    /// Waits for others to mark.
    pub waits: u64,
    pub wait_ns: u64,
    pub max_wait_ns: u64,
    /// As `watched_ns`, of waits.
    pub waits_watched_ns: Option<u64>,
    /// By where memory is allocated. All three: longest time first.
    pub functions: Vec<GcAssistRow>,
    /// By who made the goroutines.
    pub creators: Vec<GcAssistRow>,
    pub goroutines: Vec<GcAssistRow>,
}

/// Assists that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GcAssistRow {
    pub pid: u32,
    /// Of a goroutine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goid: Option<u64>,
    /// Where memory is allocated: the innermost function of the program's own, else the innermost that
    /// is not the runtime's; otherwise the function that the `go` statement is in. `None` when it is
    /// not known.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
    /// Of an allocation, the function of the standard library that it is in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    pub count: u64,
    pub time_ns: u64,
    pub max_ns: u64,
    /// Of the time of all assists, 0 to 1.
    pub share: f64,
    /// Waits for others to mark.
    pub waits: u64,
    pub wait_ns: u64,
    pub max_wait_ns: u64,
}

/// Folds events into a [`GcAssistReport`].
#[derive(Debug, Default)]
pub struct GcAssistFold {
    functions: BTreeMap<(u32, Place, Option<String>), Sum>,
    creators: BTreeMap<(u32, u64), Sum>,
    goroutines: BTreeMap<(u32, Option<u64>, u64), Sum>,
    /// By process and address of the `go` statement.
    statements: BTreeMap<(u32, u64), Place>,
    total: Sum,
    began_ns: u64,
    until_ns: Option<u64>,
    waits_until_ns: Option<u64>,
    /// Of cycles of which both are known: assists, and what else Ps ran of goroutines.
    shared_ns: (u64, u64),
    cycles: u64,
    seen_ns: u64,
    runtime_ns: u64,
}

/// Function, file and line.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Place {
    fn of(symbol: Option<&FrameSymbol>) -> Self {
        Self {
            function: symbol.map(|s| s.function.clone()),
            file: symbol.and_then(|s| s.file.clone()),
            line: symbol.and_then(|s| s.line),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    time_ns: u64,
    max_ns: u64,
    waits: u64,
    wait_ns: u64,
    max_wait_ns: u64,
}

impl Sum {
    fn add(&mut self, assist: &GoAssist) {
        self.count = self.count.saturating_add(assist.count);
        self.time_ns = self.time_ns.saturating_add(assist.time_ns);
        self.max_ns = self.max_ns.max(assist.max_ns);
        self.waits = self.waits.saturating_add(assist.waits);
        self.wait_ns = self.wait_ns.saturating_add(assist.wait_ns);
        self.max_wait_ns = self.max_wait_ns.max(assist.max_wait_ns);
    }
}

impl GcAssistFold {
    /// Takes one event; those of other kinds change nothing.
    pub fn event(&mut self, event: &Event) {
        match &event.body {
            Body::RunStart(_) => self.began_ns = event.time_ns,
            Body::GoAssist(assist) => self.add(event, assist),
            Body::Curbed(curbed) if curbed.probes == ASSIST_PROBES => {
                self.until_ns = Some(event.time_ns);
            }
            Body::Curbed(curbed) if curbed.probes == WAIT_PROBES => {
                self.waits_until_ns = Some(event.time_ns);
            }
            _ => {}
        }
    }

    /// Takes a cycle that has ended.
    pub fn cycle(&mut self, record: &GcRecord) {
        let cpu = &record.cycle.cpu;
        if let Some(GcAssists {
            time_ns, user_ns, ..
        }) = record.assists
        {
            self.cycles += 1;
            self.seen_ns = self.seen_ns.saturating_add(time_ns);
            self.runtime_ns = self.runtime_ns.saturating_add(cpu.assist);
            if let Some(user_ns) = user_ns {
                let (assists, user) = &mut self.shared_ns;
                *assists = assists.saturating_add(time_ns);
                *user = user.saturating_add(user_ns);
            }
        }
    }

    fn add(&mut self, event: &Event, assist: &GoAssist) {
        let (pid, creator) = (event.pid, assist.created_at);
        let own = assist.own.as_ref().or(assist.allocator.as_ref());
        let within = assist
            .allocator
            .as_ref()
            .filter(|_| own != assist.allocator.as_ref());
        let key = (pid, Place::of(own), within.map(|s| s.function.clone()));
        self.functions.entry(key).or_default().add(assist);
        self.creators.entry((pid, creator)).or_default().add(assist);
        let goroutine = self.goroutines.entry((pid, event.goid, creator));
        goroutine.or_default().add(assist);
        let statement = self.statements.entry((pid, creator));
        statement.or_insert_with(|| Place::of(assist.creator.as_ref()));
        self.total.add(assist);
    }

    /// Whether assists were measured: their number may be 0.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.total.count > 0 || self.total.waits > 0 || self.cycles > 0
    }

    /// The sums so far.
    #[must_use]
    pub fn report(&self) -> GcAssistReport {
        let functions = self.functions.iter().map(|((pid, place, within), sum)| {
            let row = self.row(*pid, place, *sum);
            GcAssistRow {
                within: within.clone(),
                ..row
            }
        });
        let creators = self
            .creators
            .iter()
            .map(|(&(pid, creator), sum)| self.row(pid, &self.statement(pid, creator), *sum));
        let goroutines = self.goroutines.iter().map(|(&(pid, goid, creator), sum)| {
            let row = self.row(pid, &self.statement(pid, creator), *sum);
            GcAssistRow { goid, ..row }
        });
        let told_apart = self.goroutines.keys().filter(|key| key.1.is_some()).count();
        GcAssistReport {
            count: self.total.count,
            time_ns: self.total.time_ns,
            max_ns: self.total.max_ns,
            mutator_share: self.mutator_share(),
            goroutine_count: told_apart as u64,
            cycles: self.cycles,
            seen_ns: self.seen_ns,
            runtime_ns: self.runtime_ns,
            watched_ns: self.until_ns.map(|ns| ns.saturating_sub(self.began_ns)),
            waits: self.total.waits,
            wait_ns: self.total.wait_ns,
            max_wait_ns: self.total.max_wait_ns,
            waits_watched_ns: self
                .waits_until_ns
                .map(|ns| ns.saturating_sub(self.began_ns)),
            functions: longest_first(functions.collect()),
            creators: longest_first(creators.collect()),
            goroutines: longest_first(goroutines.collect()),
        }
    }

    fn mutator_share(&self) -> Option<f64> {
        let (assists, user) = self.shared_ns;
        (user > 0).then(|| assists as f64 / (assists as f64 + user as f64))
    }

    fn statement(&self, pid: u32, creator: u64) -> Place {
        self.statements
            .get(&(pid, creator))
            .cloned()
            .unwrap_or_default()
    }

    fn row(&self, pid: u32, place: &Place, sum: Sum) -> GcAssistRow {
        let Place {
            function,
            file,
            line,
        } = place.clone();
        GcAssistRow {
            pid,
            goid: None,
            function,
            file,
            line,
            within: None,
            count: sum.count,
            time_ns: sum.time_ns,
            max_ns: sum.max_ns,
            share: sum.time_ns as f64 / self.total.time_ns.max(1) as f64,
            waits: sum.waits,
            wait_ns: sum.wait_ns,
            max_wait_ns: sum.max_wait_ns,
        }
    }
}

/// Stable: equal ones stay in their order.
fn longest_first(mut rows: Vec<GcAssistRow>) -> Vec<GcAssistRow> {
    rows.sort_by_key(|row| std::cmp::Reverse((row.time_ns, row.wait_ns)));
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::analysis::Gc;
    use crate::analysis::gc_fixture::{cycle, event};
    use crate::event::{Curbed, SymbolOrigin};

    fn symbol(function: &str, line: u32) -> FrameSymbol {
        FrameSymbol {
            function: function.to_owned(),
            file: Some("/src/main.go".to_owned()),
            line: Some(line),
            origin: SymbolOrigin::Go,
            ..FrameSymbol::default()
        }
    }

    fn assist(goid: u64, creator: &str, own: &str, within: Option<&str>, time_ns: u64) -> Event {
        let own = symbol(own, 7);
        let body = GoAssist {
            created_at: creator.len() as u64,
            creator: (!creator.is_empty()).then(|| symbol(creator, 3)),
            allocator: Some(within.map_or_else(|| own.clone(), |w| symbol(w, 9))),
            own: Some(own),
            count: 2,
            time_ns,
            max_ns: time_ns - 1,
            waits: 1,
            wait_ns: 500,
            max_wait_ns: 500,
        };
        Event {
            goid: (goid != 0).then_some(goid),
            ..event(50, 10, Body::GoAssist(Box::new(body)))
        }
    }

    /// Three goroutines of two statements, and some that are not told apart.
    pub(crate) fn events() -> Vec<Event> {
        vec![
            assist(5, "main.main", "main.heavy", None, 6_000_000),
            assist(6, "main.main", "main.heavy", None, 2_000_000),
            assist(
                7,
                "main.serve",
                "main.light",
                Some("fmt.Sprintf"),
                1_000_000,
            ),
            assist(0, "main.serve", "main.light", None, 1_000_000),
        ]
    }

    fn record(user_ns: Option<u64>) -> GcRecord {
        let assists = GcAssists {
            count: 8,
            time_ns: 10_000_000,
            user_ns,
        };
        let ended = Body::GcCycle(Box::new(cycle(7, 1, 1)));
        let record = Gc::default().event(&event(70, 10, ended));
        GcRecord {
            assists: Some(assists),
            ..record.expect("a cycle")
        }
    }

    #[test]
    fn sums_by_place_statement_and_goroutine() {
        let mut fold = GcAssistFold::default();
        assert!(!fold.is_measured());
        events().iter().for_each(|e| fold.event(e));
        fold.cycle(&record(None));
        fold.cycle(&record(Some(90_000_000)));
        let report = fold.report();
        assert_eq!((report.count, report.time_ns), (8, 10_000_000));
        assert_eq!((report.max_ns, report.goroutine_count), (5_999_999, 3));
        assert_eq!(report.mutator_share, Some(0.1));
        assert_eq!(
            (report.waits, report.wait_ns, report.max_wait_ns),
            (4, 2000, 500)
        );
        let of = |rows: &[GcAssistRow]| {
            let rows = rows.iter();
            rows.map(|r| (r.function.clone().unwrap_or_default(), r.goid, r.time_ns))
                .collect::<Vec<_>>()
        };
        let (heavy, light) = ("main.heavy".to_owned(), "main.light".to_owned());
        assert_eq!(
            of(&report.functions),
            [
                (heavy, None, 8_000_000),
                (light.clone(), None, 1_000_000),
                (light, None, 1_000_000)
            ]
        );
        let within: Vec<_> = report
            .functions
            .iter()
            .map(|r| r.within.as_deref())
            .collect();
        assert_eq!(within, [None, None, Some("fmt.Sprintf")]);
        let (main, serve) = ("main.main".to_owned(), "main.serve".to_owned());
        assert_eq!(
            of(&report.creators),
            [
                (main.clone(), None, 8_000_000),
                (serve.clone(), None, 2_000_000)
            ]
        );
        assert_eq!(report.creators[0].share, 0.8);
        assert_eq!(
            of(&report.goroutines),
            [
                (main.clone(), Some(5), 6_000_000),
                (main, Some(6), 2_000_000),
                (serve.clone(), None, 1_000_000),
                (serve, Some(7), 1_000_000),
            ]
        );
    }

    #[test]
    fn when_probes_were_detached_is_told() {
        let mut fold = GcAssistFold::default();
        events().iter().for_each(|e| fold.event(e));
        for (probes, at) in [(ASSIST_PROBES, 70), (WAIT_PROBES, 80)] {
            let curbed = Curbed {
                probes: probes.to_owned(),
                one_in: 0,
            };
            fold.event(&event(at, 0, Body::Curbed(Box::new(curbed))));
        }
        let report = fold.report();
        assert_eq!(
            (report.watched_ns, report.waits_watched_ns),
            (Some(70), Some(80))
        );
        assert_eq!(report.mutator_share, None, "no cycle told");
    }
}
