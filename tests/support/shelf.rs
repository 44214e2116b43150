//! The library's find, lift and look over bytes in memory, with any engine and any read size.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use unwrite::blob::TempSpace;
use unwrite::config::policy_file;
use unwrite::detect::TABLES;
use unwrite::error::Result;
use unwrite::judge::Judge;
use unwrite::judge::pseudonym::Key;
use unwrite::layer::tables::Table;
use unwrite::layer::{BlobPass, Cx, LargeSlot, Search};
use unwrite::limits::Limits;
use unwrite::matcher::literal::Literal;
use unwrite::matcher::reference::Reference;
use unwrite::matcher::{Engine, Plan};
use unwrite::policy::Policy;
use unwrite::registry::Registry;
use unwrite::verify;

use super::needles;

/// A registry, a policy and both engines.
pub struct Shelf {
    registry: Registry,
    policy: Policy,
    key: Key,
    literal: Literal,
    reference: Reference,
    space: Arc<TempSpace>,
}

/// What a pass came to.
#[derive(Debug, PartialEq)]
pub struct Scrubbed {
    /// The new bytes.
    pub bytes: Vec<u8>,
    /// Records read, dropped, edited.
    pub records: (u64, u64, u64),
    /// Left: report, held.
    pub left: (u64, u64),
    /// Names of layers.
    pub layers: Vec<&'static str>,
    /// Rows of tables.
    pub tables: BTreeMap<String, Table>,
    /// Why nothing of it changes.
    pub unsupported: Option<String>,
}

impl Shelf {
    /// Of a registry's and a policy's text.
    pub fn new(registry: &str, policy: &str) -> Self {
        let registry = needles::registry(registry);
        let policy = policy_file::parse(policy.as_bytes()).unwrap().policy;
        let plan = Plan { needles: Arc::clone(&registry.needles), fields: Arc::new(policy.fields.clone()) };
        let (literal, reference) = (Literal::new(&plan).unwrap(), Reference::new(&plan));
        let space = TempSpace::new(std::env::temp_dir(), 1 << 30);
        let key = Key::new(b"a key of more than sixteen bytes".to_vec()).unwrap();
        Self { registry, policy, key, literal, reference, space }
    }

    /// Scrubs `data`, known as `name`, in windows of `window` bytes; then looks at the result as verification does.
    pub fn scrub(&self, name: &str, data: &Vec<u8>, window: usize, by_reference: bool) -> Result<Scrubbed> {
        let engine: &dyn Engine = if by_reference { &self.reference } else { &self.literal };
        let judge = Judge::new(&self.registry.needles, &self.policy.fields, Some(&self.key));
        let large = LargeSlot::new(256 << 20, 1);
        let limits = Limits { window, ..Limits::default() };
        let interrupted = AtomicBool::new(false);
        let mask = |name: &[u8]| name.to_vec();
        let search = Search {
            engine,
            needles: &self.registry.needles,
            judge: &judge,
            policy: &self.policy,
            mask: &mask,
            detect: &TABLES,
            limits: &limits,
            space: &self.space,
            large: &large,
            crew: &unwrite::pool::Alone,
            second: false,
            format: None,
            codec: None,
            levels: &[],
            interrupted: &interrupted,
            gate: None,
        };
        let mut watched = Vec::new();
        let seen = verify::read(data, &search, name.as_bytes(), None, &mut |bytes| watched.extend_from_slice(bytes))?;
        assert_eq!(&watched, data, "not every byte was read once, in order");
        let mut pass = BlobPass::new(data, &self.space);
        if !seen.found.is_empty() {
            let mut cx = Cx::new(&search, name.as_bytes(), None);
            seen.found.layer.lift(&seen.found, &mut pass, &mut cx)?;
        }
        let bytes = pass.finish().to_bytes(data)?;
        let limits = Limits { window: window * 3 + 1, ..Limits::default() };
        // The second look is by the other engine: what one leaves the other would find.
        let engine: &dyn Engine = if by_reference { &self.literal } else { &self.reference };
        let again = Search { engine, second: true, limits: &limits, ..search };
        verify::look(&bytes, &again, name.as_bytes(), None, &seen.foretold)?;
        let tally = seen.tally;
        Ok(Scrubbed {
            bytes,
            records: (tally.read, tally.dropped, tally.edited),
            left: (tally.left_report, tally.left_held),
            layers: tally.layers,
            tables: tally.tables.0,
            unsupported: tally.unsupported.map(|(reason, _)| reason),
        })
    }
}
