//! Compiled registries: what stands in the file may be anything.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::{choice, expand};
use crate::matcher::literal::Literal;
use crate::matcher::mask::Masker;
use crate::matcher::{Engine, Plan, Unit};
use crate::policy::Fields;
use crate::pool::Alone;
use crate::registry::compiled::{Compiled, Source, seal};
use crate::registry::{Form, Options, Registry};

const REGISTRY: &str = concat!(
    r#"{"subject":"s1","identifiers":[{"type":"email","value":"Alice@example.com"},{"type":"uuid","value":"123e4567-e89b-42d3-a456-426614174000"}],"effective_at":"2026-11-20T00:00:00Z"}"#,
    "\n",
    r#"{"subject":"s2","identifiers":[{"type":"user_id","value":"48213"},{"type":"email","value":"alice@example.com"},{"type":"literal","value":"a\"b%"}],"before":"2026-11-01T00:00:00Z"}"#,
    "\n",
    r#"{"subject":"s3","identifiers":[{"all_of":[{"type":"ip","value":"192.0.2.1"},{"type":"phone","value":"+49 151 1234567"}]},{"type":"username","value":"bob"}]}"#,
    "\n",
    r#"{"event":"hold","subject":"s1","until":"2026-12-01T00:00:00Z"}"#,
    "\n",
);

/// The file of [`REGISTRY`].
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = Source { path: b"r.jsonl".to_vec(), bytes: 0, mtime: 0, mtime_nanos: 0, inode: 0 };
    let options = Options::new(Timestamp::UNIX_EPOCH);
    let made = Compiled::make(&Alone, REGISTRY.as_bytes(), Form::Jsonl, source, &options);
    let mut file = Vec::new();
    let written = made.map(|made| made.write(&mut file));
    assert!(matches!(written, Ok(Ok(()))), "a sound registry is compiled");
    file
});

/// A sound file with a few bytes changed, its digests made to fit again or not, and then a text to search. However it was changed:
/// an error or an answer, never a panic, and as it was made the same answer.
pub fn compiled(data: &[u8]) {
    let (first, rest) = choice(data);
    let (patches, text) = rest.split_at(rest.len().min(usize::from(first >> 1)) / 5 * 5);
    let now = Timestamp::from_second(1_795_219_200).unwrap_or_default();
    let options = Options::new(now);
    let mut file = SOUND.clone();
    for patch in patches.as_chunks::<5>().0 {
        let [a, b, c, value, many] = *patch;
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % file.len();
        let many = usize::from(many % 8) + 1;
        file.iter_mut().skip(at).take(many).for_each(|byte| *byte = value);
    }
    if first & 1 == 1 {
        seal(&mut file);
    }
    let text = expand(text);
    match Compiled::of_bytes(&file).and_then(|opened| opened.registry(&options)) {
        Ok(registry) => {
            let hits = exercise(&registry, &text);
            if file == *SOUND {
                let plain = crate::registry::read(REGISTRY.as_bytes(), Form::Jsonl, now, &options);
                let plain = plain.unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(hits, exercise(&plain, &text), "what is compiled says what the registry says");
            }
        }
        Err(error) => assert!(file != *SOUND && error.kind() == crate::error::Kind::Usage, "{error}"),
    }
}

/// Asks for everything; the values that `text` holds.
fn exercise(registry: &Registry, text: &[u8]) -> Vec<Vec<u8>> {
    let needles = &registry.needles;
    for (id, value) in needles.values() {
        assert!(value.bytes().len() + value.written().len() < 1 << 20 && needles.claims_of(id).count() < 1 << 20);
    }
    for (id, subject) in needles.subjects() {
        assert!(subject.reference.len() < 1 << 20 && registry.since(id) <= registry.now.max(registry.written));
    }
    for (_, claim) in needles.claims() {
        assert!(claim.values().count() < 1 << 20);
    }
    let plan = Plan { needles: Arc::clone(needles), fields: Arc::new(Fields::default()) };
    let Ok(engine) = Literal::new(&plan) else { return Vec::new() };
    assert_eq!(Masker::of(&engine).mask(text).len(), text.len());
    engine.candidates(text, &mut Vec::new());
    let mut hits = Vec::new();
    engine.hits(&Unit { text, fields: &[], table: None }, &mut hits);
    let mut found: Vec<_> = hits.iter().filter_map(|hit| Some(needles.value(hit.value)?.bytes().to_vec())).collect();
    found.sort_unstable();
    found
}
