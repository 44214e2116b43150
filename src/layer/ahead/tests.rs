use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::codec::testing::with_cx;
use crate::input::BlobSource;
use crate::layer::coded::points::Point;
use crate::layer::coded::{Encoder, Head, Need};
use crate::limits::Limits;
use crate::pool::Crew;

/// As many helpers as one says, without turns; each step takes a while that depends on nothing but its number.
#[derive(Debug)]
pub struct Free(pub usize, pub AtomicUsize);

impl Crew for Free {
    fn helpers(&self) -> usize {
        self.0
    }

    fn run(&self, most: usize, work: &(dyn Fn() + Sync), lead: &mut dyn FnMut(usize)) {
        std::thread::scope(|scope| {
            // More than can be started, of 100 on.
            let most = if self.0 < 100 { most } else { 0 };
            for _ in 0..most {
                scope.spawn(work);
            }
            lead(most);
        });
    }

    fn turn(&self, step: &mut dyn FnMut()) {
        let n = self.1.fetch_add(1, Ordering::Relaxed);
        if n.wrapping_mul(2_654_435_761) & 0x300 == 0 {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        step();
    }

    fn aside(&self, wait: &mut dyn FnMut()) {
        wait();
    }
}

const SMALL: Sizes =
    Sizes { least: 1, step: 300, room: 6, side: 4000, part: 400, longest: 2000, ahead: 4000, chunk: 97, chunks: 4 };

/// A toy codec. A frame is `F`, a byte of its length, that many bytes, and their sum; `N` is a named head of one byte; `0` is padding
/// behind the last frame, `!` panics.
struct Toy;

struct Toys<'a> {
    input: Input<'a>,
    heads: Heads,
    plain: u64,
}

impl Toys<'_> {
    fn head(&mut self, len: usize, verbatim: bool, name: Option<std::ops::Range<usize>>) -> Result<()> {
        let bytes = self.input.window(len)?.get(..len).unwrap_or_default().to_vec();
        let at = self.input.offset();
        self.heads.push(Head {
            at,
            plain_at: self.plain,
            bytes,
            verbatim,
            names: name.into_iter().collect(),
            traits: [0; 4],
        })?;
        self.input.consume(len);
        Ok(())
    }
}

impl Source for Toys<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            let at = self.input.offset();
            match self.input.window(2)? {
                [] => return Ok(0),
                [b'N', _, ..] => self.head(2, false, Some(1..2))?,
                [0, ..] => {
                    self.head(1, true, None)?;
                    if !matches!(self.input.window(1)?, [] | [0, ..]) {
                        return Err(Error::damaged("toy", self.input.offset(), "behind the padding"));
                    }
                }
                [b'!', ..] => panic!("planted"),
                [b'F', len, ..] => {
                    let len = usize::from(*len);
                    if self.heads.wants_points() {
                        let point = Point { coded: at * 8, plain: self.plain, state: [7; 4] };
                        self.heads.offer(point, &at.to_le_bytes());
                    }
                    let frame = self.input.window(len + 3)?;
                    if frame.len() < len + 3 {
                        return Err(Error::damaged("toy", at + frame.len() as u64, "cut off"));
                    }
                    let (body, sum) = (frame[2..len + 2].to_vec(), frame[len + 2]);
                    if body.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)) != sum {
                        return Err(Error::damaged("toy", at, "the sum does not match"));
                    }
                    self.head(2, false, None)?;
                    self.input.consume(len + 1);
                    // The caller's buffer is always longer than a frame.
                    buf[..len].copy_from_slice(&body);
                    self.plain += len as u64;
                    if len > 0 {
                        return Ok(len);
                    }
                }
                _ => return Err(Error::damaged("toy", at, "no frame")),
            }
        }
    }
}

impl Codec for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn sniff(&self, _: &[u8]) -> bool {
        true
    }
    fn extensions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    fn decoder<'a>(
        &self,
        source: Box<dyn Source + 'a>,
        heads: Heads,
        _: bool,
        mut need: Need<'a>,
    ) -> Result<Box<dyn Source + 'a>> {
        need(1)?;
        Ok(Box::new(Toys { input: Input::new(source, 13), heads, plain: 0 }))
    }
    fn encoder<'a>(&self, _: Option<i32>, _: Need<'a>) -> Result<Box<dyn Encoder + 'a>> {
        Err(Error::unsupported("toy"))
    }
    /// A bad guess: bodies hold the letter, too.
    fn cut(&self, coded: &[u8], least: usize) -> Option<usize> {
        memchr::memchr2(b'F', b'N', coded.get(least..)?).map(|at| at + least)
    }
}

/// Everything that a reader sees, and how it ended. Panics become errors, as `scrub` makes them.
type Seen = (Vec<u8>, Vec<Head>, Vec<Point>, Option<String>);

#[expect(clippy::ptr_arg, reason = "a vector is a blob")]
fn seen(coded: &Vec<u8>, helpers: usize, sizes: Sizes, read: usize) -> Seen {
    with_cx(&Limits::default(), None, false, |cx| {
        let crew = Free(helpers, AtomicUsize::new(0));
        let search = Search { crew: &crew, ..*cx.search };
        let (heads, memory) = (Heads::relay(true), cx.memory());
        let mut input = Input::new(BlobSource::new(coded), 50);
        let (mut bytes, mut all, mut points) = (Vec::new(), Vec::new(), Vec::new());
        let run = AssertUnwindSafe(|| {
            by(sizes, &Toy, &mut input, &heads, &search, &memory, |mut source| {
                let mut buf = vec![0; read];
                loop {
                    let n = source.read(&mut buf)?;
                    all.extend(std::iter::from_fn(|| heads.pop_until(u64::MAX)));
                    points.extend(heads.take_offers().into_iter().map(|(point, ..)| point));
                    match n {
                        0 => return Ok(()),
                        n => bytes.extend_from_slice(&buf[..n]),
                    }
                }
            })
        });
        let internal = || Error::new(Kind::Io, "an internal error; please report it with the line on stderr");
        let end = catch_unwind(run).unwrap_or_else(|_| Err(internal()));
        (bytes, all, points, end.err().map(|error| error.to_string()))
    })
}

/// A stream of the frames; letters of bodies are those that begin something.
fn stream(frames: &[(u8, Vec<u8>)], padding: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, body) in frames {
        if *kind == 0 {
            out.extend_from_slice(b"Nx");
        }
        out.extend_from_slice(&[b'F', body.len() as u8]);
        out.extend(body.iter().map(|b| b"FN0!\0abcdef"[usize::from(b % 11)]));
        let from = out.len() - body.len();
        out.push(out[from..].iter().fold(0u8, |sum, b| sum.wrapping_add(*b)));
    }
    out.resize(out.len() + padding, 0);
    out
}

const HELPERS: [usize; 4] = [1, 2, 5, 100];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn threads_change_nothing(frames in prop::collection::vec((0u8..9, prop::collection::vec(any::<u8>(), 0..80)), 0..120),
                              padding in 0usize..4, read in 90usize..900) {
        let coded = stream(&frames, padding);
        let one = seen(&coded, 0, SMALL, read);
        prop_assert_eq!(&one.3, &None);
        for helpers in HELPERS {
            prop_assert_eq!(&seen(&coded, helpers, SMALL, read), &one);
        }
    }

    /// Bytes before the damage, and what it is called, with the place in the whole stream.
    #[test]
    fn damage_is_the_same(frames in prop::collection::vec((0u8..9, prop::collection::vec(any::<u8>(), 0..80)), 1..120),
                          at in any::<prop::sample::Index>(), with in prop::sample::select(b"FN!\0z".to_vec()), cut in any::<bool>()) {
        let mut coded = stream(&frames, 1);
        let at = at.index(coded.len());
        if cut { coded.truncate(at) } else { coded[at] = with }
        let one = seen(&coded, 0, SMALL, 500);
        for helpers in HELPERS {
            let more = seen(&coded, helpers, SMALL, 500);
            prop_assert_eq!(&more.3, &one.3);
            prop_assert_eq!(&more.0, &one.0);
        }
    }
}

#[test]
fn a_stream_that_cannot_be_cut_is_decoded_as_it_comes() {
    let frames: Vec<_> = (0..400).map(|n| (1, vec![n as u8; 60])).collect();
    let coded = stream(&frames, 0);
    let one = seen(&coded, 0, SMALL, 333);
    let uncut = Sizes { longest: 0, part: 0, ..SMALL };
    // Such a part would be empty: the first cut that there is comes after it.
    for sizes in [uncut, Sizes { part: 1 << 20, longest: 1 << 20, ..SMALL }] {
        for helpers in HELPERS {
            assert_eq!(seen(&coded, helpers, sizes, 333), one);
        }
    }
}

#[test]
fn padding_between_frames_stays_an_error() {
    let frame = stream(&[(1, vec![5; 70])], 0);
    let mut coded = frame.repeat(20);
    coded.push(0);
    coded.extend(frame.repeat(20));
    let one = seen(&coded, 0, SMALL, 500);
    assert!(one.3.as_ref().is_some_and(|error| error.contains("behind the padding")), "{one:?}");
    for helpers in HELPERS {
        assert_eq!(seen(&coded, helpers, SMALL, 500).3, one.3);
    }
}

#[test]
fn a_reader_that_goes_away_ends_its_helpers() {
    let coded = stream(&vec![(1, vec![5; 70]); 500], 0);
    with_cx(&Limits::default(), None, false, |cx| {
        let crew = Free(3, AtomicUsize::new(0));
        let search = Search { crew: &crew, ..*cx.search };
        for longest in [0, 2000] {
            let mut input = Input::new(BlobSource::new(&coded), 50);
            let (heads, memory, sizes) = (Heads::relay(false), cx.memory(), Sizes { longest, ..SMALL });
            let gone = by(sizes, &Toy, &mut input, &heads, &search, &memory, |mut source| {
                source.read(&mut [0; 100])?;
                Err::<(), _>(Error::new(Kind::Found, "enough"))
            });
            assert_eq!(gone.unwrap_err().kind(), Kind::Found);
            let mut input = Input::new(BlobSource::new(&coded), 50);
            let panics = AssertUnwindSafe(|| {
                by(sizes, &Toy, &mut input, &heads, &search, &memory, |mut source| -> Result<()> {
                    source.read(&mut [0; 100])?;
                    panic!("planted")
                })
            });
            assert!(catch_unwind(panics).is_err());
        }
    });
}
