//! What is waited for.

/// All that goroutines wait for.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Those with most waiters first; of the same number in the order of the goroutines.
    pub objects: Vec<Object>,
    /// Goroutines that wait for something that was not found: it changed while it was read, or the
    /// stack does not tell. Indices into the snapshot.
    pub unknown: Vec<usize>,
    /// Whether semaphores could be looked at: where not, what waits for locks is not known.
    pub has_semaphores: bool,
}

/// Something that goroutines wait for.
#[derive(Clone, Debug)]
pub struct Object {
    /// 0 of nothing.
    pub address: u64,
    pub kind: ObjectKind,
    /// In the order of the snapshot.
    pub waiters: Vec<Waiter>,
    /// Who has it, or may have it; empty when that cannot be known.
    pub holders: Vec<Holder>,
}

/// What kind it is, and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    Channel(ChannelState),
    /// A nil channel, or a select without cases.
    Nothing,
    Mutex(MutexState),
    RwMutex(RwMutexState),
    /// How many have still to call `Done`.
    WaitGroup {
        counter: i32,
    },
    Once,
    Cond,
    /// The lock of a file or connection: one reads or writes at a time.
    DescriptorLock {
        fd: u64,
    },
    /// A semaphore of something else, such as the runtime itself.
    Semaphore,
    /// A descriptor that the network poller watches.
    Descriptor {
        fd: u64,
    },
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelState {
    pub buffered: u64,
    pub capacity: u64,
    pub is_closed: bool,
    /// A timer sends to it (Go 1.23).
    pub has_timer: bool,
}

/// `sync.Mutex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MutexState {
    pub is_locked: bool,
    /// The first waiter has waited for more than 1 ms, and comes next.
    pub is_starving: bool,
}

/// `sync.RWMutex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RwMutexState {
    /// A writer has it or waits for it.
    pub has_writer: bool,
    /// Those that have it, or with a writer those that it still waits for.
    pub readers: i32,
}

/// A goroutine that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Index into the snapshot.
    pub goroutine: usize,
    pub operation: Operation,
}

/// What it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Receive,
    Send,
    Lock,
    ReadLock,
    Wait,
    Read,
    Write,
}

impl Operation {
    /// One word or two.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Lock => "lock",
            Self::ReadLock => "read lock",
            Self::Wait => "wait",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A goroutine that has what others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Index into the snapshot.
    pub goroutine: usize,
    /// What it does shows that it has it. Otherwise its stack refers to it: Go does not record who
    /// locked.
    pub is_known: bool,
}

impl ObjectKind {
    /// As a Go programmer calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Channel(_) => "channel",
            Self::Nothing => "nothing",
            Self::Mutex(_) => "sync.Mutex",
            Self::RwMutex(_) => "sync.RWMutex",
            Self::WaitGroup { .. } => "sync.WaitGroup",
            Self::Once => "sync.Once",
            Self::Cond => "sync.Cond",
            Self::DescriptorLock { .. } => "descriptor lock",
            Self::Semaphore => "semaphore",
            Self::Descriptor { .. } => "descriptor",
        }
    }
}
