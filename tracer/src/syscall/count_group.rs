//! Names of groups of calls, as numbers, and no more of them than a table can use.

use std::collections::HashMap;
use std::sync::Arc;

/// Groups that are told apart. A target can open a new path, or talk to a new peer, with each call.
pub(super) const MAX_GROUPS: usize = 10_000;

/// A group of calls. The order is that of their first calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupId(u32);

/// Calls that are not grouped.
pub(super) const NO_GROUP: GroupId = GroupId(u32::MAX);

/// The group of all calls that would be in a group beyond the limit.
pub(super) const OTHERS: GroupId = GroupId(u32::MAX - 1);

/// How that group is shown.
pub(super) const OTHERS_NAME: &str = "(other)";

/// Names of groups, each stored once.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    ids: HashMap<Arc<str>, GroupId>,
    names: Vec<Arc<str>>,
}

impl Groups {
    /// The group of a name: a new one, or [`OTHERS`] when there are too many.
    pub(super) fn id(&mut self, name: &str) -> GroupId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        if self.names.len() >= MAX_GROUPS {
            return OTHERS;
        }
        let name: Arc<str> = name.into();
        let id = GroupId(u32::try_from(self.names.len()).expect("no more than MAX_GROUPS"));
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// The name of a group; empty for calls in none.
    pub(super) fn name(&self, id: GroupId) -> &str {
        match id {
            OTHERS => OTHERS_NAME,
            GroupId(at) => self.names.get(at as usize).map_or("", |name| name),
        }
    }
}
