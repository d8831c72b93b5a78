//! The operations of a pickle by their codes, and what becomes of those that have no place in a checkpoint.

use super::class;
use super::machine::Machine;
use super::program::Program;
use super::value::Value;

impl<'p> Machine<'p> {
    /// Runs one operation; the result when it was the last.
    pub(super) fn step(&mut self) -> Result<Option<Value<'p>>, String> {
        let operation = self.program.byte()?;
        match operation {
            // What surrounds the values.
            0x80 => self.protocol()?,
            0x95 => self.program.frame()?,
            b'.' => return self.pop().map(Some),

            // Plain values.
            b'N' => self.push(Value::Nothing),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => self.integer(|program| program.i32().map(i64::from))?,
            b'K' => self.integer(|program| program.byte().map(i64::from))?,
            b'M' => self.integer(|program| program.u16().map(i64::from))?,
            0x8a => self.long(Program::counted_by_u8)?,
            0x8b => self.long(Program::counted_by_u32)?,
            b'G' => {
                let number = self.program.f64()?;
                self.push(Value::Float(number));
            }
            0x8c => self.text(Program::counted_by_u8)?,
            b'X' => self.text(Program::counted_by_u32)?,
            0x8d => self.text(Program::counted_by_u64)?,
            b'U' => self.old_text(Program::counted_by_u8)?,
            b'T' => self.old_text(Program::counted_by_u32)?,
            b'C' => self.bytes(Program::counted_by_u8)?,
            b'B' => self.bytes(Program::counted_by_u32)?,
            0x8e => self.bytes(Program::counted_by_u64)?,

            // Containers.
            b')' => self.tuple(Vec::new()),
            0x85 => self.short_tuple(1)?,
            0x86 => self.short_tuple(2)?,
            0x87 => self.short_tuple(3)?,
            b't' => {
                let items = self.since_mark()?;
                self.tuple(items);
            }
            b']' => self.list(Vec::new()),
            b'l' => {
                let items = self.since_mark()?;
                self.list(items);
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            b'}' => self.dict(&[])?,
            b'd' => {
                let items = self.since_mark()?;
                self.dict(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }

            // The stack and the memo.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.push(top);
            }
            b'q' => {
                let key = self.program.byte()?;
                self.remember(u32::from(key))?;
            }
            b'r' => {
                let key = self.program.u32()?;
                self.remember(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.remember(key)?;
            }
            b'h' => {
                let key = self.program.byte()?;
                self.recall(u32::from(key))?;
            }
            b'j' => {
                let key = self.program.u32()?;
                self.recall(key)?;
            }

            // Names, calls and storages.
            b'c' => {
                let module = self.program.line()?;
                let name = self.program.line()?;
                self.class(module, name)?;
            }
            0x93 => self.class_from_stack()?,
            b'R' => self.call()?,
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                let storage = class::storage(id, &mut self.heap)?;
                self.push(storage);
            }
            b'i' => {
                let module = self.program.line()?;
                let name = self.program.line()?;
                return Err(class::refusal(module, name, self.program.at()));
            }
            0x82 => return Err(self.extension(|program| program.byte().map(i64::from))),
            0x83 => return Err(self.extension(|program| program.u16().map(i64::from))),
            0x84 => return Err(self.extension(|program| program.i32().map(i64::from))),
            0x81 => self.object(operation, 1)?,
            0x92 => self.object(operation, 2)?,
            0x90 => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            0x8f => self.push(Value::Opaque),
            b'o' => return Err(self.foreign_object(operation)),
            _ => return Err(self.unknown(operation)),
        }
        Ok(None)
    }

    /// The reason why an operation that makes an object of any other class is refused.
    pub(super) fn foreign_object(&self, operation: u8) -> String {
        format!(
            "its pickle makes an object of a class of its own (operation {operation:#04x} before byte {}), but a checkpoint may \
             hold only tensors and plain values, and nothing that a file names is ever run; if you trust where it comes from, \
             convert it to safetensors with PyTorch",
            self.program.at()
        )
    }

    /// The reason why a class that is named by a number is refused.
    fn extension(&mut self, read: impl Fn(&mut Program<'p>) -> Result<i64, String>) -> String {
        match read(&mut self.program) {
            Ok(code) => class::refusal("copyreg extension", &code.to_string(), self.program.at()),
            Err(reason) => reason,
        }
    }

    fn unknown(&self, operation: u8) -> String {
        let name = char::from(operation);
        let name = if name.is_ascii_graphic() {
            format!(" ({name:?})")
        } else {
            String::new()
        };
        format!(
            "its pickle uses the operation {operation:#04x}{name} (before byte {}), which no checkpoint of tensors needs; it is \
             damaged, or holds more than tensors",
            self.program.at()
        )
    }
}
