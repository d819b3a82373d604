//! The goroutine of a call's end is that of its begin: the probe at the end does not read it again.

use foldhash::HashMap;

use crate::event::{Body, Event};

/// The goroutines of the calls that threads are in.
#[derive(Debug, Default)]
pub(super) struct CallGoroutines(HashMap<u32, u64>);

impl CallGoroutines {
    /// Gives the end of a call its goroutine. An end whose begin was not seen has none. Events of a
    /// thread come in their order.
    pub(super) fn complete(&mut self, event: &mut Event) {
        match (&event.body, event.goid) {
            (Body::SyscallEnter(_), Some(goid)) => {
                self.0.insert(event.tid, goid);
            }
            // Nothing to do in programs that are not Go.
            _ if self.0.is_empty() => {}
            (Body::SyscallExit(_), _) => event.goid = self.0.remove(&event.tid),
            (Body::SyscallEnter(_) | Body::Exit(_), _) => {
                self.0.remove(&event.tid);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SyscallEnter, SyscallExit};

    #[test]
    fn an_end_has_the_goroutine_of_its_begin() {
        let mut calls = CallGoroutines::default();
        let mut goid = |tid, goid, body| {
            let mut event = Event {
                time_ns: 0,
                pid: 1,
                tid,
                cpu: 0,
                goid,
                body,
            };
            calls.complete(&mut event);
            event.goid
        };
        let enter = || Body::SyscallEnter(SyscallEnter::default());
        let exit = || Body::SyscallExit(SyscallExit::default());
        assert_eq!(goid(1, None, exit()), None);
        assert_eq!(goid(1, Some(7), enter()), Some(7));
        assert_eq!(goid(2, Some(8), enter()), Some(8));
        assert_eq!(goid(1, None, exit()), Some(7));
        assert_eq!(goid(1, None, exit()), None);
        assert_eq!(goid(2, None, enter()), None);
        assert_eq!(goid(2, None, exit()), None);
    }
}
