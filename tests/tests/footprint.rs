//! The checks for what a tracer leaves behind can fail: they see it while it is there.

use tracer_tests::{Loaded, Probing, Running, changed_text, descriptors, place, until};

#[test]
fn probes_in_a_program_are_seen_while_they_are_there_and_gone_afterwards() {
    let Some(place) = place(true) else { return };
    let target = Running::ready(&mut place.command("go/1.24.11/gcload", &["-d", "60s"]));
    let before = Probing::now();
    assert_eq!(changed_text(target.pid()).expect("readable"), [""; 0]);
    let tracer = place.tracer(&["gc", "-p", &target.pid_text()]).attach();
    let loaded = Loaded::by(tracer.pid());
    assert!(
        !loaded.programs.is_empty() && !loaded.maps.is_empty(),
        "{loaded:?}"
    );
    assert!(!loaded.names().is_empty());
    let changed = changed_text(target.pid()).expect("readable");
    assert!(changed.iter().any(|c| c.contains("gcload")), "{changed:?}");
    let run = tracer.interrupt().success();
    assert!(run.stderr.contains(" GC cycle"), "{}", run.stderr);
    until("the text as it was", || {
        changed_text(target.pid()).ok()?.is_empty().then_some(())
    });
    assert_eq!(Probing::now(), before);
}

#[test]
fn descriptors_are_listed_with_what_they_lead_to() {
    let Some(place) = place(false) else { return };
    let target = Running::ready(&mut place.command("c/sleeper", &[]));
    let list = descriptors(target.pid()).expect("our child");
    assert!(
        list.len() >= 3 && list[0].starts_with("0 pipe:"),
        "{list:?}"
    );
}
