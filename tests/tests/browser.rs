//! The page of `profile --format html` in a browser: it draws, searches and zooms, without errors.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tracer_tests::{Place, Running, duration, place, skip};

/// Comes before the page's own script.
const WATCH: &str = "<script>
const errors = [];
addEventListener('error', (event) => errors.push(String(event.message)));
for (const kind of ['error', 'warn']) console[kind] = (...what) => errors.push(what.join(' '));
addEventListener('securitypolicyviolation', (event) => errors.push(event.violatedDirective));
</script>";

/// Does what a user does, and notes what a user sees.
const USE: &str = "<script>
const result = {};
const page = document;
const graph = page.getElementById('graph');
const text = (id) => page.getElementById(id).textContent;
const pixels = () => {
  // A canvas that is read is another one: Chromium warns of reading one that is drawn on.
  const { width, height } = graph;
  const copy = Object.assign(page.createElement('canvas'), { width, height });
  const pen = copy.getContext('2d', { willReadFrequently: true });
  pen.drawImage(graph, 0, 0);
  return new Uint32Array(pen.getImageData(0, 0, width, height).data.buffer);
};
const move = (kind, x, y) => {
  const at = graph.getBoundingClientRect();
  const place = { clientX: at.left + x, clientY: at.top + y, bubbles: true };
  graph.dispatchEvent(new MouseEvent(kind, place));
};
const look = (x, y) => { move('mousemove', x, y); return text('status'); };
const find = (name) => {
  for (let y = 9; y < graph.clientHeight; y += 18)
    for (let x = 2; x < graph.clientWidth; x += 4)
      if (look(x, y).startsWith(name + ' (')) return [x, y];
  return null;
};
const type = (what) => {
  const input = page.getElementById('search');
  input.value = what;
  input.dispatchEvent(new Event('input', { bubbles: true }));
};
const names = () => [...page.querySelectorAll('#top tbody tr')].map((line) => line.cells[2].textContent);
const marked = () => pixels().filter((pixel) => pixel === 0xffe60fe6).length;
const reset = page.getElementById('reset');

result.recalled = text('matched');
type('');
result.colours = new Set(pixels()).size;
result.functions = names();
result.legend = text('legend');
result.marked_at_first = marked();

type('burn_(six|ten)');
result.matched = text('matched');
result.found = names();
result.marked = marked();
type('');
result.matched_after = text('matched');

const spot = find('burn_sixty');
result.spot = spot !== null;
result.before = look(graph.clientWidth - 3, spot[1]);
result.was_zoomed = !reset.disabled;
move('click', ...spot);
result.is_zoomed = !reset.disabled;
const again = find('burn_sixty');
result.after = look(graph.clientWidth - 3, again[1]);
result.address = location.hash;
result.peek = text('peek-name');
result.callers = text('peek');
reset.click();
result.is_reset = reset.disabled;
const upright = find('burn_sixty')[1];
page.getElementById('turn').click();
result.turned = find('burn_sixty')[1] !== upright;
result.errors = errors;
const end = page.createElement('pre');
end.id = 'result';
end.textContent = encodeURIComponent(JSON.stringify(result));
page.body.append(end);
</script>";

/// A browser of the family that runs without a display; a [`skip`] without one.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let files = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    let found = files.into_iter().find(|file| file.is_file());
    if found.is_none() {
        skip("there is no Chromium; its Debian package is chromium");
    }
    found
}

/// The document as it is when its scripts have run, and what the browser says of it.
fn open(browser: &Path, place: &Place, file: &str, address: &str) -> (String, String) {
    let run = Command::new(browser)
        // Root has no sandbox; nothing is loaded but a file of ours.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--enable-logging=stderr",
            "--window-size=1200,900",
            "--timeout=30000",
        ])
        .arg(format!("--user-data-dir={}", place.path("browser")))
        .args(["--dump-dom", &format!("file://{file}{address}")])
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&run.stdout), text(&run.stderr))
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| byte == b'%');
        let digits = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// What the script noted, and what the browser says.
fn seen_in(browser: &Path, place: &Place, file: &str, address: &str) -> (String, String) {
    let (document, said) = open(browser, place, file, address);
    let result = document.split_once("<pre id=\"result\">");
    let result = result.and_then(|(_, rest)| Some(decoded(rest.split_once("</pre>")?.0)));
    let result = result.unwrap_or_else(|| panic!("no result:\n{said}\n{document:.3000}"));
    (result, said)
}

fn page(place: &Place) -> String {
    let file = place.path("cpu.html");
    let target = Running::ready(&mut place.command("c/cpu_split", &["60"]));
    let pid = target.pid_text();
    let args = ["profile", "--max-overhead", "off", "-F", "733", "-o", &file];
    let run = place
        .tracer(&args)
        .args(&["-d", &duration(1000), "-p", &pid]);
    let _ = run.run().success();
    drop(target);
    file
}

fn percent(text: &Value) -> f64 {
    let text = text.as_str().expect("a text");
    let number = text.split(' ').find_map(|word| word.strip_suffix('%'));
    number
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("no share in {text:?}"))
}

fn has(list: &Value, name: &str) -> bool {
    let list = list.as_array().expect("a list");
    list.iter().any(|n| n.as_str().is_some_and(|n| n == name))
}

fn starts(text: &Value, with: &str) -> bool {
    text.as_str().is_some_and(|text| text.starts_with(with))
}

#[test]
fn the_page_draws_searches_and_zooms() {
    let Some(place) = place(true) else { return };
    let Some(browser) = chromium() else { return };
    let file = page(&place);
    let text = std::fs::read_to_string(&file).expect("text");
    let text = text.replacen("<body>", &format!("<body>{WATCH}"), 1);
    let (before, after) = text.rsplit_once("</body>").expect("a body");
    std::fs::write(&file, format!("{before}{USE}</body>{after}")).expect("ours");
    let (result, said) = seen_in(&browser, &place, &file, "");
    let seen: Value = serde_json::from_str(&result).expect("JSON");
    let ensure = |what: bool, why: &str| assert!(what, "{why}: {result}\n{said}");
    ensure(seen["errors"] == Value::Array(Vec::new()), "errors");
    ensure(!said.contains("CONSOLE"), "the console has messages");

    ensure(seen["colours"].as_u64() > Some(4), "nothing is drawn");
    for function in ["burn_sixty", "burn_thirty", "burn_ten", "main"] {
        ensure(has(&seen["functions"], function), function);
    }
    ensure(
        starts(&seen["legend"], "kernel") || starts(&seen["legend"], "C, C++"),
        "legend",
    );

    ensure(seen["marked_at_first"] == 0, "marked without a search");
    ensure(
        (percent(&seen["matched"]) - 70.0).abs() < 15.0,
        "share of what matches",
    );
    ensure(seen["matched_after"] == "", "share without a search");
    ensure(
        seen["marked"].as_u64() > Some(1000),
        "what matches is not marked",
    );
    ensure(has(&seen["found"], "burn_ten"), "found");
    ensure(!has(&seen["found"], "burn_thirty"), "found without a match");

    ensure(
        seen["spot"] == true && seen["was_zoomed"] == false,
        "zoomed at first",
    );
    ensure(
        !starts(&seen["before"], "burn_sixty ("),
        "as wide as the page before the zoom",
    );
    ensure(
        starts(&seen["after"], "burn_sixty ("),
        "not as wide as the page after it",
    );
    ensure(
        seen["is_zoomed"] == true && seen["is_reset"] == true,
        "reset",
    );
    let address = seen["address"].as_str().unwrap_or_default();
    ensure(address.contains("zoom="), "the address has no zoom");
    ensure(
        seen["peek"] == "Callers and callees of burn_sixty",
        "callers",
    );
    ensure(seen["turned"] == true, "roots on top");

    // An address is enough to see the same again.
    let (result, _) = seen_in(&browser, &place, &file, "#search=burn_thirty");
    let recalled: Value = serde_json::from_str(&result).expect("JSON");
    let share = percent(&recalled["recalled"]);
    assert!((share - 30.0).abs() < 15.0, "{share} %");
}
