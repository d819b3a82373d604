//! From buckets of the heap profiler to a profile.

use std::collections::HashMap;

use crate::analysis::function_totals;
use crate::go::heap::{HeapBucket, HeapBuckets, unsampled};
use crate::report::{
    Frame, FrameKind, HeapAmounts, HeapFunction, HeapProfile, HeapShown, HeapSite, MemoryLedger,
    ProfileRun, StackTree, StackTreeBuilder, ThreadStack, ThreadTotal, Unit,
};

/// Adds buckets up: `frames` gives the calls of a stack, innermost first.
pub fn heap_profile(
    pid: u32,
    buckets: &HeapBuckets,
    shown: HeapShown,
    memory: MemoryLedger,
    mut frames: impl FnMut(&[u64]) -> Vec<Frame>,
) -> HeapProfile {
    let mut bytes = StackTreeBuilder::new(Unit::Bytes);
    let mut objects = StackTreeBuilder::new(Unit::Samples);
    let mut amounts = HeapAmounts::default();
    let mut sites: Vec<HeapSite> = Vec::new();
    let mut torn = buckets.torn;
    for bucket in &buckets.list {
        let (of_bucket, odd) = amounts_of(bucket, buckets.rate);
        torn += u64::from(odd);
        let calls = frames(&bucket.stack);
        let nowhere = [nowhere()];
        let calls: &[Frame] = if calls.is_empty() { &nowhere } else { &calls };
        let (count, size) = shown.of(&of_bucket);
        objects.add(calls.iter().rev(), count);
        let Some(node) = bytes.add(calls.iter().rev(), size) else {
            continue;
        };
        amounts.add(&of_bucket);
        sites.push(HeapSite {
            node,
            object_bytes: bucket.alloc_bytes.checked_div(bucket.allocs).unwrap_or(0),
            amounts: of_bucket,
        });
    }
    let tree = bytes.finish();
    HeapProfile {
        pid,
        shown,
        rate: buckets.rate,
        missing: None,
        amounts,
        sites_read: buckets.list.len() as u64,
        torn,
        unreadable: u64::from(buckets.cut),
        memory,
        functions: functions(&tree, &objects.finish()),
        run: ProfileRun {
            pids: vec![pid],
            ..ProfileRun::default()
        },
        together: vec![ThreadTotal {
            pid,
            tid: pid,
            comm: "heap".to_owned(),
            value: shown.of(&amounts).1,
        }],
        by_thread: by_thread(&tree, &sites, shown),
        sites,
        tree,
    }
}

/// What a bucket stands for, and whether its counts cannot be: more freed than allocated.
fn amounts_of(bucket: &HeapBucket, rate: u64) -> (HeapAmounts, bool) {
    let (alloc_objects, alloc_bytes) = unsampled(bucket.allocs, bucket.alloc_bytes, rate);
    let objects = bucket.allocs.checked_sub(bucket.frees);
    let bytes = bucket.alloc_bytes.checked_sub(bucket.free_bytes);
    let odd = objects.is_none() || bytes.is_none();
    let (inuse_objects, inuse_bytes) = unsampled(objects.unwrap_or(0), bytes.unwrap_or(0), rate);
    let amounts = HeapAmounts {
        alloc_objects,
        alloc_bytes,
        inuse_objects,
        inuse_bytes,
    };
    (amounts, odd)
}

/// For a stack without a function that is known.
fn nowhere() -> Frame {
    Frame {
        name: "[unknown]".to_owned(),
        module: None,
        kind: FrameKind::Unresolved,
        inlined: false,
        file: None,
        line: None,
        code: None,
    }
}

/// Functions with bytes and objects: the trees have the same stacks.
fn functions(bytes: &StackTree, objects: &StackTree) -> Vec<HeapFunction> {
    let counted = function_totals(objects).into_iter();
    let counted: HashMap<Frame, (u64, u64)> = counted
        .map(|total| (total.frame, (total.own, total.total)))
        .collect();
    let totals = function_totals(bytes).into_iter();
    totals
        .map(|total| {
            let (flat_objects, cum_objects) =
                counted.get(&total.frame).copied().unwrap_or_default();
            HeapFunction {
                frame: total.frame,
                flat_bytes: total.own,
                flat_objects,
                cum_bytes: total.total,
                cum_objects,
            }
        })
        .collect()
}

/// All stacks as those of one thread.
fn by_thread(tree: &StackTree, sites: &[HeapSite], shown: HeapShown) -> Vec<ThreadStack> {
    let mut objects: HashMap<u32, u64> = HashMap::new();
    for site in sites {
        let count = objects.entry(site.node).or_default();
        *count = count.saturating_add(shown.of(&site.amounts).0);
    }
    let nodes = tree.nodes.iter().enumerate();
    let stacks = nodes.filter(|(_, node)| node.own > 0);
    stacks
        .map(|(at, node)| ThreadStack {
            node: at as u32,
            thread: 0,
            count: objects.get(&(at as u32)).copied().unwrap_or(0),
            value: node.own,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> Frame {
        Frame {
            name: name.to_owned(),
            kind: FrameKind::Go,
            ..nowhere()
        }
    }

    fn bucket(stack: &[u64], size: u64, allocs: u64, frees: u64) -> HeapBucket {
        HeapBucket {
            stack: stack.to_vec(),
            size,
            allocs,
            frees,
            alloc_bytes: allocs * size,
            free_bytes: frees * size,
        }
    }

    #[test]
    fn functions_have_what_they_and_theirs_allocated() {
        let buckets = HeapBuckets {
            list: vec![
                bucket(&[1, 2], 1 << 20, 5, 2),
                bucket(&[1, 2], 2 << 20, 1, 0),
                bucket(&[2], 4 << 20, 1, 0),
                bucket(&[], 1 << 20, 1, 2),
            ],
            rate: 1,
            ..HeapBuckets::default()
        };
        let frames = |stack: &[u64]| {
            let names = stack.iter().map(|pc| frame(&format!("f{pc}")));
            names.collect()
        };
        let memory = MemoryLedger::default();
        let profile = heap_profile(7, &buckets, HeapShown::InUse, memory, frames);
        let rows: Vec<_> = profile
            .functions
            .iter()
            .map(|f| {
                let mib = (f.flat_bytes >> 20, f.cum_bytes >> 20);
                (f.frame.name.as_str(), mib, (f.flat_objects, f.cum_objects))
            })
            .collect();
        assert_eq!(rows[0], ("f1", (5, 5), (4, 4)));
        assert_eq!(rows[1], ("f2", (4, 9), (1, 5)));
        assert_eq!(profile.amounts.inuse_bytes, 9 << 20);
        assert_eq!(profile.amounts.alloc_objects, 8);
        assert_eq!((profile.torn, profile.sites.len()), (1, 4));
        assert_eq!(profile.together[0].value, 9 << 20);
    }
}
