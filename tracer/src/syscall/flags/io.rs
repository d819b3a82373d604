//! Waiting for descriptors: `poll.h`, `eventpoll.h`, `eventfd.h`, `timerfd.h`, `signalfd.h`, `io_uring.h`.

use super::Names;

pub static EVENTFD: Names = Names {
    zero: None,
    unknown: "EFD_???",
    names: &[
        (1, "EFD_SEMAPHORE"),
        (0x80000, "EFD_CLOEXEC"),
        (0x800, "EFD_NONBLOCK"),
    ],
};

pub static EPOLL_CREATE: Names = Names {
    zero: None,
    unknown: "EPOLL_???",
    names: &[(0x80000, "EPOLL_CLOEXEC")],
};

pub static TIMERFD: Names = Names {
    zero: None,
    unknown: "TFD_???",
    names: &[
        (1, "TFD_TIMER_ABSTIME"),
        (2, "TFD_TIMER_CANCEL_ON_SET"),
        (0x80000, "TFD_CLOEXEC"),
        (0x800, "TFD_NONBLOCK"),
    ],
};

pub static SIGNALFD: Names = Names {
    zero: None,
    unknown: "SFD_???",
    names: &[(0x80000, "SFD_CLOEXEC"), (0x800, "SFD_NONBLOCK")],
};

pub static EPOLL_CTL: Names = Names {
    zero: None,
    unknown: "EPOLL_CTL_???",
    names: &[
        (1, "EPOLL_CTL_ADD"),
        (2, "EPOLL_CTL_DEL"),
        (3, "EPOLL_CTL_MOD"),
    ],
};

pub static EPOLL: Names = Names {
    zero: None,
    unknown: "EPOLL???",
    names: &[
        (1, "EPOLLIN"),
        (2, "EPOLLPRI"),
        (4, "EPOLLOUT"),
        (8, "EPOLLERR"),
        (0x10, "EPOLLHUP"),
        (0x20, "EPOLLNVAL"),
        (0x40, "EPOLLRDNORM"),
        (0x80, "EPOLLRDBAND"),
        (0x100, "EPOLLWRNORM"),
        (0x200, "EPOLLWRBAND"),
        (0x400, "EPOLLMSG"),
        (0x2000, "EPOLLRDHUP"),
        (0x10000000, "EPOLLEXCLUSIVE"),
        (0x20000000, "EPOLLWAKEUP"),
        (0x40000000, "EPOLLONESHOT"),
        (0x80000000, "EPOLLET"),
    ],
};

pub static POLL: Names = Names {
    zero: None,
    unknown: "POLL???",
    names: &[
        (1, "POLLIN"),
        (2, "POLLPRI"),
        (4, "POLLOUT"),
        (8, "POLLERR"),
        (0x10, "POLLHUP"),
        (0x20, "POLLNVAL"),
        (0x40, "POLLRDNORM"),
        (0x80, "POLLRDBAND"),
        (0x100, "POLLWRNORM"),
        (0x200, "POLLWRBAND"),
        (0x400, "POLLMSG"),
        (0x1000, "POLLREMOVE"),
        (0x2000, "POLLRDHUP"),
        (0x8000, "POLL_BUSY_LOOP"),
    ],
};

pub static IORING_ENTER: Names = Names {
    zero: None,
    unknown: "IORING_ENTER_???",
    names: &[
        (1, "IORING_ENTER_GETEVENTS"),
        (2, "IORING_ENTER_SQ_WAKEUP"),
        (4, "IORING_ENTER_SQ_WAIT"),
        (8, "IORING_ENTER_EXT_ARG"),
        (0x10, "IORING_ENTER_REGISTERED_RING"),
    ],
};

pub static IORING_REGISTER: Names = Names {
    zero: None,
    unknown: "IORING_REGISTER_???",
    names: &[
        (0, "IORING_REGISTER_BUFFERS"),
        (1, "IORING_UNREGISTER_BUFFERS"),
        (2, "IORING_REGISTER_FILES"),
        (3, "IORING_UNREGISTER_FILES"),
        (4, "IORING_REGISTER_EVENTFD"),
        (5, "IORING_UNREGISTER_EVENTFD"),
        (6, "IORING_REGISTER_FILES_UPDATE"),
        (7, "IORING_REGISTER_EVENTFD_ASYNC"),
        (8, "IORING_REGISTER_PROBE"),
        (9, "IORING_REGISTER_PERSONALITY"),
        (0xa, "IORING_UNREGISTER_PERSONALITY"),
        (0xb, "IORING_REGISTER_RESTRICTIONS"),
        (0xc, "IORING_REGISTER_ENABLE_RINGS"),
        (0xd, "IORING_REGISTER_FILES2"),
        (0xe, "IORING_REGISTER_FILES_UPDATE2"),
        (0xf, "IORING_REGISTER_BUFFERS2"),
        (0x10, "IORING_REGISTER_BUFFERS_UPDATE"),
        (0x11, "IORING_REGISTER_IOWQ_AFF"),
        (0x12, "IORING_UNREGISTER_IOWQ_AFF"),
        (0x13, "IORING_REGISTER_IOWQ_MAX_WORKERS"),
        (0x14, "IORING_REGISTER_RING_FDS"),
        (0x15, "IORING_UNREGISTER_RING_FDS"),
        (0x16, "IORING_REGISTER_PBUF_RING"),
        (0x17, "IORING_UNREGISTER_PBUF_RING"),
    ],
};

pub static IOCB_CMD: Names = Names {
    zero: None,
    unknown: "IOCB_CMD_???",
    names: &[
        (0, "IOCB_CMD_PREAD"),
        (1, "IOCB_CMD_PWRITE"),
        (2, "IOCB_CMD_FSYNC"),
        (3, "IOCB_CMD_FDSYNC"),
        (5, "IOCB_CMD_POLL"),
        (6, "IOCB_CMD_NOOP"),
        (7, "IOCB_CMD_PREADV"),
        (8, "IOCB_CMD_PWRITEV"),
    ],
};

pub static IOCB_FLAG: Names = Names {
    zero: None,
    unknown: "IOCB_FLAG_???",
    names: &[(1, "IOCB_FLAG_RESFD"), (2, "IOCB_FLAG_IOPRIO")],
};

pub static IORING_SETUP: Names = Names {
    zero: None,
    unknown: "IORING_SETUP_???",
    names: &[
        (1, "IORING_SETUP_IOPOLL"),
        (2, "IORING_SETUP_SQPOLL"),
        (4, "IORING_SETUP_SQ_AFF"),
        (8, "IORING_SETUP_CQSIZE"),
        (0x10, "IORING_SETUP_CLAMP"),
        (0x20, "IORING_SETUP_ATTACH_WQ"),
        (0x40, "IORING_SETUP_R_DISABLED"),
        (0x80, "IORING_SETUP_SUBMIT_ALL"),
        (0x100, "IORING_SETUP_COOP_TASKRUN"),
        (0x200, "IORING_SETUP_TASKRUN_FLAG"),
        (0x400, "IORING_SETUP_SQE128"),
        (0x800, "IORING_SETUP_CQE32"),
        (0x1000, "IORING_SETUP_SINGLE_ISSUER"),
        (0x2000, "IORING_SETUP_DEFER_TASKRUN"),
        (0x4000, "IORING_SETUP_NO_MMAP"),
        (0x8000, "IORING_SETUP_REGISTERED_FD_ONLY"),
        (0x10000, "IORING_SETUP_NO_SQARRAY"),
    ],
};

pub static IORING_FEAT: Names = Names {
    zero: None,
    unknown: "IORING_FEAT_???",
    names: &[
        (1, "IORING_FEAT_SINGLE_MMAP"),
        (2, "IORING_FEAT_NODROP"),
        (4, "IORING_FEAT_SUBMIT_STABLE"),
        (8, "IORING_FEAT_RW_CUR_POS"),
        (0x10, "IORING_FEAT_CUR_PERSONALITY"),
        (0x20, "IORING_FEAT_FAST_POLL"),
        (0x40, "IORING_FEAT_POLL_32BITS"),
        (0x80, "IORING_FEAT_SQPOLL_NONFIXED"),
        (0x100, "IORING_FEAT_EXT_ARG"),
        (0x200, "IORING_FEAT_NATIVE_WORKERS"),
        (0x400, "IORING_FEAT_RSRC_TAGS"),
        (0x800, "IORING_FEAT_CQE_SKIP"),
        (0x1000, "IORING_FEAT_LINKED_FILE"),
        (0x2000, "IORING_FEAT_REG_REG_RING"),
        (0x4000, "IORING_FEAT_RECVSEND_BUNDLE"),
        (0x8000, "IORING_FEAT_MIN_TIMEOUT"),
    ],
};
