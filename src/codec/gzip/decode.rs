//! The gzip decoder: members one after another, each with its checks (RFC 1952 §2.2, §2.3).
//!
//! The frames are read here; what is between header and trailer by one of two libraries ([`Inflate`]). Every byte of the
//! source is accounted for: header, deflate stream, trailer, and NULs after the last member.

use super::offers::Offers;
use super::{BC_AT, Check, NAME, SPECIAL, XFL, head};
use crate::error::{Error, Result};
use crate::input::{Input, Source};
use crate::layer::coded::{Head, Heads};
use crate::layer::deflate::Inflate;
use crate::layer::deflate::blocks::{Step, Stop};

/// Bytes that one read of the source brings.
const READ: usize = 64 * 1024;
/// Longest piece of padding that is announced as one head.
const PADDING: usize = 64 * 1024;
/// Length of CRC32 and ISIZE.
const TRAILER: usize = 8;

enum State {
    /// At the first byte of a member, or at the end of the source.
    Head,
    /// Inside a deflate stream.
    Body,
    /// Behind the last member, in its padding.
    Padding,
    /// At the end of the source.
    End,
}

/// Decodes a whole gzip stream.
pub struct Decoder<'a> {
    input: Input<'a>,
    heads: Heads,
    inflate: Inflate,
    /// Inflates in its place where points are wanted.
    offers: Option<Offers>,
    state: State,
    check: Check,
    /// Plain bytes returned so far.
    plain: u64,
}

impl<'a> Decoder<'a> {
    /// Decodes `source`; by `miniz_oxide` if `second`.
    pub fn new(source: Box<dyn Source + 'a>, heads: Heads, second: bool) -> Self {
        let inflate = Inflate::new(second);
        // Without memory for it a lift decodes more: no reason to fail.
        let offers = (heads.wants_points() && !second).then(Offers::new);
        let input = Input::new(source, READ);
        Self { input, heads, inflate, offers, state: State::Head, check: Check::default(), plain: 0 }
    }

    fn damaged<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::damaged(NAME, self.input.offset(), what))
    }

    fn cut_off<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::damaged(NAME, self.input.offset() + self.input.unread().len() as u64, what))
    }

    /// Reads a member's header and announces it.
    fn head(&mut self) -> Result<()> {
        let parsed = head::parse(&mut self.input)?;
        let mut traits = [0; 4];
        traits[XFL] = u64::from(parsed.xfl);
        traits[SPECIAL] = parsed.special.to_trait();
        traits[BC_AT] = parsed.bc_at as u64;
        let bytes = self.input.unread().get(..parsed.len).unwrap_or_default().to_vec();
        self.heads.push(Head {
            at: self.input.offset(),
            plain_at: self.plain,
            bytes,
            verbatim: false,
            names: parsed.names,
            traits,
        })?;
        if let Some(offers) = &mut self.offers {
            offers.head(self.input.offset(), self.plain, parsed.special, parsed.xfl, &self.heads);
        }
        self.input.consume(parsed.len);
        self.inflate.reset();
        self.check = Check::default();
        self.state = State::Body;
        Ok(())
    }

    /// Decodes into `buf`; 0 at the member's end.
    fn body(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            let window = self.input.window(1)?;
            let cut = window.is_empty();
            let Some(step) = self.inflate.step(window, buf) else {
                return self.damaged("the compressed data is invalid");
            };
            self.input.consume(step.used);
            self.check.update(buf.get(..step.made).unwrap_or_default());
            self.plain += step.made as u64;
            if step.done {
                self.trailer()?;
            }
            if step.done || step.made > 0 {
                return Ok(step.made);
            }
            if cut {
                return self.cut_off("the compressed data is cut off");
            }
            if step.used == 0 && !self.input.more()? {
                return self.cut_off("the compressed data is cut off");
            }
        }
    }

    /// Decodes into `buf` up to its end or the member's, and offers points.
    fn stepped(&mut self, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let (Some(room), Some(offers)) = (buf.get_mut(filled..), &mut self.offers) {
            if room.is_empty() {
                break;
            }
            let window = self.input.window(1)?;
            let cut = window.is_empty();
            let Some(Step { made, used, stop }) = offers.step(window, room) else {
                return self.damaged("the compressed data is invalid");
            };
            self.input.consume(used);
            self.check.update(room.get(..made).unwrap_or_default());
            self.plain += made as u64;
            filled += made;
            match stop {
                Stop::Block { unused, last } => {
                    let bit = (self.input.offset() * 8).saturating_sub(unused);
                    if !last {
                        offers.block(bit, self.plain, &self.check, &self.heads);
                    }
                }
                Stop::End => {
                    self.trailer()?;
                    break;
                }
                Stop::Inside if used + made > 0 => {}
                Stop::Inside => {
                    if cut || !self.input.more()? {
                        return self.cut_off("the compressed data is cut off");
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Checks CRC32 and ISIZE, and looks at what follows.
    fn trailer(&mut self) -> Result<()> {
        let want = self.check.trailer();
        let Some(trailer) = self.input.window(TRAILER)?.first_chunk::<TRAILER>() else {
            return self.cut_off("the trailer is cut off");
        };
        if trailer[..4] != want[..4] {
            return self.damaged("the checksum does not match");
        }
        if trailer[4..] != want[4..] {
            return self.damaged("the length does not match");
        }
        if let Some(offers) = &self.offers {
            offers.trailer(self.input.offset(), self.plain, &self.check, &self.heads);
        }
        self.input.consume(TRAILER);
        self.state = match self.input.window(1)?.first() {
            None => State::End,
            Some(0) => State::Padding,
            Some(0x1f) => State::Head,
            Some(_) => return self.damaged("bytes after the last member"),
        };
        Ok(())
    }

    /// Announces NULs up to the end of the source; anything else is an error.
    fn padding(&mut self) -> Result<()> {
        loop {
            let window = self.input.window(PADDING)?;
            let piece = window.get(..window.len().min(PADDING)).unwrap_or_default();
            if piece.is_empty() {
                self.state = State::End;
                return Ok(());
            }
            if let Some(n) = piece.iter().position(|b| *b != 0) {
                let at = self.input.offset() + n as u64;
                return Err(Error::damaged(NAME, at, "bytes after the padding of the last member"));
            }
            let bytes = piece.to_vec();
            let n = bytes.len();
            self.heads.push(Head {
                at: self.input.offset(),
                plain_at: self.plain,
                bytes,
                verbatim: true,
                names: Vec::new(),
                traits: [0; 4],
            })?;
            self.input.consume(n);
        }
    }
}

impl Source for Decoder<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Head => self.head()?,
                State::Body => {
                    let n = if self.offers.is_some() { self.stepped(buf)? } else { self.body(buf)? };
                    if n > 0 {
                        return Ok(n);
                    }
                }
                State::Padding => self.padding()?,
                State::End => return Ok(0),
            }
        }
    }
}
