//! Buffers that a vector names, and messages: `struct iovec`, `msghdr`, `mmsghdr`, netlink headers.

use tracer_common::capture::{MAX_CAPTURE, MAX_IOVECS, MAX_MESSAGE, kind, mmsghdr, msghdr, phase};

use super::{Captures, capture_bytes, user_word, with_index};
use crate::{constants::string_limit, emit::opaque};

/// Copies an array of `count` `struct iovec`, then what its elements point to. At exit the buffers
/// hold no more than the return value.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_iovec(id: u64, address: u64, count: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    if capture_bytes(id, address, count.wrapping_mul(16), MAX_IOVECS as u64 * 16) == 0 {
        return 0;
    }
    let progress = captures.progress();
    let at_exit = progress.phase == u32::from(phase::EXIT);
    progress.left = if at_exit { progress.ret } else { u64::MAX };
    progress.limit = u64::from(string_limit());
    for i in 0..MAX_IOVECS as u64 {
        let i = opaque(i);
        if i >= count || capture_buffer(with_index(id, i + 1), address + i * 16) == 0 {
            break;
        }
    }
    1
}

/// Copies what one `struct iovec` points to; 0 when the rest is empty or does not fit.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_buffer(id: u64, iovec: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let (Some(base), Some(len)) = (user_word(iovec), user_word(iovec + 8)) else {
        return 0;
    };
    let progress = captures.progress();
    let left = progress.left;
    if left == 0 {
        return 0;
    }
    let len = if len > left { left } else { len };
    progress.left = left - len;
    capture_bytes(id, base, len, progress.limit)
}

/// Copies the bytes of a message; all of one that begins with a `struct nlmsghdr`
/// (include/uapi/linux/netlink.h): its length, which lies within the buffer, and a type.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_message(id: u64, address: u64, len: u64) -> u64 {
    const HEADER: u64 = 16;
    let mut limit = u64::from(string_limit());
    if len >= HEADER
        && let Some(word) = user_word(address)
    {
        let (claimed, kind) = (word & 0xffff_ffff, word >> 32 & 0xffff);
        if claimed >= HEADER && claimed <= len && kind != 0 {
            limit = MAX_MESSAGE as u64;
        }
    }
    capture_bytes(id, address, len, limit)
}

/// Copies `count` `struct mmsghdr` (include/linux/socket.h): a `struct user_msghdr` and a length,
/// together 64 bytes. At exit `count` is what was returned.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_mmsghdr(id: u64, address: u64, count: u64) -> u64 {
    for i in 0..mmsghdr::MAX as u64 {
        let i = opaque(i);
        let id = with_index(id, i * u64::from(mmsghdr::STRIDE));
        if i >= count || capture_msghdr(id, address + i * 64) == 0 {
            break;
        }
    }
    1
}

/// Copies a `struct msghdr` (include/linux/socket.h, `user_msghdr`): words 0 name, 1 name length
/// (32 bits), 2 iov, 3 iov length, 4 control, 5 control length, 6 flags.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn capture_msghdr(id: u64, address: u64) -> u64 {
    let size = if (id >> 8) as u8 == kind::MMSGHDR {
        64
    } else {
        56
    };
    if capture_bytes(
        with_index(id, u64::from(msghdr::HEADER)),
        address,
        size,
        size,
    ) == 0
    {
        return 0;
    }
    let (Some(name), Some(name_len)) = (user_word(address), user_word(address + 8)) else {
        return 1;
    };
    let limit = MAX_CAPTURE as u64;
    if name != 0
        && capture_bytes(
            with_index(id, u64::from(msghdr::NAME)),
            name,
            name_len as u32 as u64,
            limit,
        ) == 0
    {
        return 0;
    }
    let (Some(control), Some(control_len)) = (user_word(address + 32), user_word(address + 40))
    else {
        return 1;
    };
    if control != 0
        && control_len != 0
        && capture_bytes(
            with_index(id, u64::from(msghdr::CONTROL)),
            control,
            control_len,
            limit,
        ) == 0
    {
        return 0;
    }
    capture_msghdr_buffers(id, address)
}

/// Copies what a `struct msghdr` points to through its `iovec` array.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn capture_msghdr_buffers(id: u64, address: u64) -> u64 {
    let Some(captures) = Captures::of(id) else {
        return 0;
    };
    let (Some(iov), Some(count)) = (user_word(address + 16), user_word(address + 24)) else {
        return 1;
    };
    let array = with_index(id, u64::from(msghdr::IOVEC));
    if capture_bytes(array, iov, count.wrapping_mul(16), MAX_IOVECS as u64 * 16) == 0 {
        return 0;
    }
    let progress = captures.progress();
    let is_one = (id >> 8) as u8 == kind::MSGHDR;
    // Of several messages each says its own length.
    progress.left = if is_one && progress.phase == u32::from(phase::EXIT) {
        progress.ret
    } else {
        u64::MAX
    };
    progress.limit = if is_one && is_netlink(address) {
        MAX_MESSAGE as u64
    } else {
        u64::from(string_limit())
    };
    let most = if is_one { MAX_IOVECS } else { mmsghdr::BUFFERS };
    for i in 0..MAX_IOVECS as u64 {
        let i = opaque(i);
        let id = with_index(id, u64::from(msghdr::BUFFERS) + i);
        if i >= count || i >= most as u64 || capture_buffer(id, iov + i * 16) == 0 {
            break;
        }
    }
    1
}

/// Whether the name of a `struct msghdr` is an address of netlink.
#[inline(always)]
fn is_netlink(message: u64) -> bool {
    const AF_NETLINK: u64 = 16;
    match user_word(message) {
        None | Some(0) => false,
        Some(name) => user_word(name).is_some_and(|word| word & 0xffff == AF_NETLINK),
    }
}
