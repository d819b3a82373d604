//! Where the memory of a Go program is: as its runtime counts it, and as the kernel does.

use serde::{Deserialize, Serialize};

/// What the runtime counts, in bytes. Names in brackets are those of `runtime.MemStats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoMemory {
    /// Spans that hold objects (`HeapInuse`).
    pub heap_in_use: u64,
    /// Objects in them, with those that are dead and not swept yet (about `HeapAlloc`).
    pub heap_objects: u64,
    /// Free spans that are still backed by memory (`HeapIdle` less `HeapReleased`).
    pub heap_idle: u64,
    /// Free spans whose memory was given back to the system (`HeapReleased`).
    pub heap_released: u64,
    /// Stacks of goroutines (`StackInuse`), and those of threads that the system made.
    pub stacks: u64,
    pub os_stacks: u64,
    /// Records of spans and caches (`MSpanSys`, `MCacheSys`), buckets of profiles (`BuckHashSys`),
    /// the collector's records (`GCSys`), and what else there is (`OtherSys`).
    pub spans: u64,
    pub caches: u64,
    pub profile_buckets: u64,
    pub collector: u64,
    pub other: u64,
    /// What GOMEMLIMIT counts: mapped and not given back.
    pub mapped_ready: u64,
    /// Live heap by the collector's count: at the last mark, and what was allocated since.
    pub heap_live: u64,
    /// Heap size at which the next garbage collection is to have ended; `None` when none will begin.
    pub next_goal: Option<u64>,
    /// `GOGC`, `None` when it is off.
    pub gogc: Option<u32>,
    /// `GOMEMLIMIT`, where one is set.
    pub memory_limit: Option<u64>,
    /// Garbage collections so far (`NumGC`).
    pub collections: u32,
}

impl GoMemory {
    /// The runtime's own tables.
    #[must_use]
    pub fn tables(&self) -> u64 {
        let parts = [
            self.spans,
            self.caches,
            self.profile_buckets,
            self.collector,
            self.other,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// What should be in the arenas and backed by memory.
    #[must_use]
    pub fn arenas_ready(&self) -> u64 {
        let parts = [self.heap_in_use, self.heap_idle, self.stacks];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Arenas of the Go heap: its spans, and stacks of goroutines.
    GoArenas,
    /// Other memory that names itself as Go's.
    GoTables,
    /// The program's file, and what its variables without a value lie in.
    Program,
    /// Shared libraries and other files.
    Files,
    /// `[heap]`: what C's malloc takes first.
    CHeap,
    /// `[stack]`: that of the first thread.
    Stack,
    /// Anonymous memory of any other kind.
    Anonymous,
    /// Memory shared with other processes.
    Shared,
}

impl MemoryKind {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::GoArenas,
        Self::GoTables,
        Self::Program,
        Self::Files,
        Self::CHeap,
        Self::Stack,
        Self::Anonymous,
        Self::Shared,
    ];

    /// As shown to users.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GoArenas => "Go arenas: heap, stacks of goroutines",
            Self::GoTables => "Go's own tables",
            Self::Program => "program file and its variables",
            Self::Files => "libraries and other files",
            Self::CHeap => "[heap]: C's malloc",
            Self::Stack => "[stack]: the first thread's",
            Self::Anonymous => "anonymous: Go's own tables, C's memory, stacks of threads",
            Self::Shared => "shared with other processes",
        }
    }
}

/// Mappings of one kind, as `/proc/PID/smaps` counts them, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryOfKind {
    pub kind: MemoryKind,
    pub mappings: u64,
    /// Address space.
    pub size: u64,
    /// In memory now (`Rss`).
    pub resident: u64,
    /// Of that, in huge pages (`AnonHugePages`).
    pub huge: u64,
    /// Of that, given back with MADV_FREE and not taken yet (`LazyFree`).
    pub lazy_free: u64,
    /// On swap.
    pub swapped: u64,
}

/// All memory of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLedger {
    pub go: GoMemory,
    /// The kernel's view; empty when it may not be read.
    pub kinds: Vec<MemoryOfKind>,
    /// What the kernel does with huge pages by itself: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// What does not add up, and what that means, in plain words.
    pub remarks: Vec<String>,
}

impl MemoryLedger {
    /// Sum over all kinds.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let each = self.kinds.iter().map(|kind| kind.resident);
        each.fold(0, u64::saturating_add)
    }

    /// Mappings of a kind.
    #[must_use]
    pub fn of(&self, kind: MemoryKind) -> Option<&MemoryOfKind> {
        self.kinds.iter().find(|k| k.kind == kind)
    }
}
