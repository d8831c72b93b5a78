//! The machine that a pickle drives: a stack, a memo, and the operations that build plain values.
//!
//! Every operation takes time in proportion to the bytes it reads and the items it consumes, adds at most one value, and
//! never calls itself: how deeply a file nests values, or how often it repeats them, costs nothing beyond its own length.
//! The two operations that copy items which stay where they are (calls, of shapes and of pairs) draw on [`Machine::copies`].

use std::collections::HashMap;

use super::class::Class;
use super::program::Program;
use super::shown;
use super::value::{Heap, Value};

/// The most operations that are run, which keeps what a hostile file can build under a gigabyte. A tensor takes some 30.
const OPERATIONS: usize = 4 << 20;

/// What a pickle built.
#[derive(Debug)]
pub(super) struct Built<'p> {
    pub(super) value: Value<'p>,
    pub(super) heap: Heap<'p>,
    /// How many bytes it takes.
    pub(super) length: usize,
}

/// Runs the pickle that begins where `bytes` do; the reason when it asks for anything but plain values and tensors.
pub(super) fn run(bytes: &[u8]) -> Result<Built<'_>, String> {
    let program = Program::new(bytes);
    let mut machine = Machine {
        copies: program.left(),
        program,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        heap: Heap::default(),
    };
    for _ in 0..OPERATIONS {
        if let Some(value) = machine.step()? {
            return Ok(Built {
                value,
                heap: machine.heap,
                length: machine.program.at(),
            });
        }
    }
    Err(format!(
        "its pickle is more than {OPERATIONS} operations long, so it holds more than tensors"
    ))
}

/// The machine's state; [`Machine::step`] in `operations` drives it.
pub(super) struct Machine<'p> {
    pub(super) program: Program<'p>,
    pub(super) stack: Vec<Value<'p>>,
    /// How long the stack was at each mark that is still open.
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u32, Value<'p>>,
    pub(super) heap: Heap<'p>,
    /// How many more items may be copied: as many in all as the program has bytes.
    copies: usize,
}

impl<'p> Machine<'p> {
    pub(super) fn protocol(&mut self) -> Result<(), String> {
        match self.program.byte()? {
            0..=5 => Ok(()),
            version => Err(format!(
                "its pickle is of protocol {version}, and only those up to 5 are known; save it with an earlier one"
            )),
        }
    }

    pub(super) fn push(&mut self, value: Value<'p>) {
        self.stack.push(value);
    }

    /// The newest value, which no open mark may lie above.
    pub(super) fn top(&self) -> Result<Value<'p>, String> {
        let floor = self.marks.last().copied().unwrap_or_default();
        match self.stack.last() {
            Some(value) if self.stack.len() > floor => Ok(*value),
            _ => Err(self.damaged("takes a value where none is left")),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Value<'p>, String> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    /// Takes everything since the newest mark, and the mark.
    pub(super) fn since_mark(&mut self) -> Result<Vec<Value<'p>>, String> {
        match self.marks.pop() {
            // The stack is never shorter than its marks: see `top`.
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.damaged("closes what it has not opened")),
        }
    }

    pub(super) fn remember(&mut self, key: u32) -> Result<(), String> {
        let value = self.top()?;
        self.memo.insert(key, value);
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u32) -> Result<(), String> {
        match self.memo.get(&key) {
            Some(value) => self.stack.push(*value),
            None => return Err(self.damaged("refers to a value that it has not kept")),
        }
        Ok(())
    }

    pub(super) fn integer(
        &mut self,
        read: impl Fn(&mut Program<'p>) -> Result<i64, String>,
    ) -> Result<(), String> {
        let number = read(&mut self.program)?;
        self.push(Value::Int(number));
        Ok(())
    }

    pub(super) fn long(
        &mut self,
        read: impl Fn(&mut Program<'p>) -> Result<&'p [u8], String>,
    ) -> Result<(), String> {
        let bytes = read(&mut self.program)?;
        let value = match bytes.len() {
            0..=8 => {
                // The sign is the highest bit of the last byte, and fills up what is missing.
                let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
                    0xff
                } else {
                    0
                };
                let mut wide = [fill; 8];
                wide.iter_mut()
                    .zip(bytes)
                    .for_each(|(to, from)| *to = *from);
                Value::Int(i64::from_le_bytes(wide))
            }
            _ => Value::LongInt(bytes),
        };
        self.push(value);
        Ok(())
    }

    pub(super) fn text(
        &mut self,
        read: impl Fn(&mut Program<'p>) -> Result<&'p [u8], String>,
    ) -> Result<(), String> {
        let bytes = read(&mut self.program)?;
        let text = self.program.text(bytes)?;
        self.push(Value::Text(text));
        Ok(())
    }

    /// Text as Python 2 wrote it, which may be bytes as well.
    pub(super) fn old_text(
        &mut self,
        read: impl Fn(&mut Program<'p>) -> Result<&'p [u8], String>,
    ) -> Result<(), String> {
        let bytes = read(&mut self.program)?;
        self.push(std::str::from_utf8(bytes).map_or(Value::Bytes, Value::Text));
        Ok(())
    }

    pub(super) fn bytes(
        &mut self,
        read: impl Fn(&mut Program<'p>) -> Result<&'p [u8], String>,
    ) -> Result<(), String> {
        read(&mut self.program)?;
        self.push(Value::Bytes);
        Ok(())
    }

    pub(super) fn tuple(&mut self, items: Vec<Value<'p>>) {
        let tuple = self.heap.add_list(items);
        self.push(Value::Tuple(tuple));
    }

    pub(super) fn short_tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.tuple(items);
        Ok(())
    }

    pub(super) fn list(&mut self, items: Vec<Value<'p>>) {
        let list = self.heap.add_list(items);
        self.push(Value::List(list));
    }

    pub(super) fn append(&mut self, items: &[Value<'p>]) -> Result<(), String> {
        match self.top()? {
            Value::List(list) => {
                self.heap.append(list, items);
                Ok(())
            }
            Value::Opaque => Ok(()),
            other => Err(self.damaged(&format!("appends to {}", other.kind()))),
        }
    }

    pub(super) fn dict(&mut self, items: &[Value<'p>]) -> Result<(), String> {
        let dict = self.heap.add_dict(Vec::new());
        self.push(Value::Dict(dict));
        self.set(items)
    }

    /// Sets keys and values, which alternate in `items`.
    pub(super) fn set(&mut self, items: &[Value<'p>]) -> Result<(), String> {
        let (pairs, odd) = items.as_chunks();
        if !odd.is_empty() {
            return Err(self.damaged("sets a key without a value"));
        }
        match self.top()? {
            Value::Dict(dict) => {
                self.heap
                    .set(dict, pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            Value::Opaque => Ok(()),
            other => Err(self.damaged(&format!("sets a key of {}", other.kind()))),
        }
    }

    pub(super) fn class(&mut self, module: &str, name: &str) -> Result<(), String> {
        let class = Class::named(module, name, self.program.at())?;
        self.push(Value::Class(class));
        Ok(())
    }

    pub(super) fn class_from_stack(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (module, name) {
            (Value::Text(module), Value::Text(name)) => self.class(module, name),
            _ => Err(self.damaged("names a class by something other than text")),
        }
    }

    pub(super) fn call(&mut self) -> Result<(), String> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let (Value::Class(class), Value::Tuple(arguments)) = (class, arguments) else {
            return Err(self.damaged(&format!("calls {} with {}", class.kind(), arguments.kind())));
        };
        let arguments = self.heap.list(arguments).to_vec();
        self.spend(&arguments)?;
        let value = class.call(&arguments, &mut self.heap)?;
        self.push(value);
        Ok(())
    }

    /// Pays for copying the arguments of a call, and what is in those that are lists.
    fn spend(&mut self, arguments: &[Value<'p>]) -> Result<(), String> {
        let items = arguments.iter().map(|argument| match argument {
            Value::Tuple(list) | Value::List(list) => self.heap.list(*list).len(),
            _ => 1,
        });
        let items = items.fold(0, usize::saturating_add);
        self.copies = self
            .copies
            .checked_sub(items)
            .ok_or_else(|| self.damaged("repeats itself more than any checkpoint does"))?;
        Ok(())
    }

    /// Skips an object of a class that carries settings, made by `operation` from so many tuples and dictionaries of arguments.
    pub(super) fn object(&mut self, operation: u8, arguments: usize) -> Result<(), String> {
        for _ in 0..arguments {
            self.pop()?;
        }
        match self.pop()? {
            Value::Class(Class::Settings) => {
                self.push(Value::Opaque);
                Ok(())
            }
            _ => Err(self.foreign_object(operation)),
        }
    }

    /// Gives an object its state. Only an ordered dictionary and what carries settings may be given one, and it is not looked at: PyTorch keeps
    /// the versions of its modules there.
    pub(super) fn build(&mut self) -> Result<(), String> {
        self.pop()?;
        match self.top()? {
            Value::Dict(_) | Value::Opaque => Ok(()),
            other => Err(format!(
                "its pickle sets attributes of {} (before byte {}), which no checkpoint of tensors needs; nothing of the kind \
                 is ever done, so convert it to safetensors with PyTorch if you trust where it comes from",
                other.kind(),
                self.program.at()
            )),
        }
    }

    fn damaged(&self, what: &str) -> String {
        format!(
            "its pickle {} (before byte {}); it is damaged or was made to deceive: fetch it again",
            shown(what),
            self.program.at()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(program: &[u8]) -> Value<'_> {
        run(program).unwrap().value
    }

    #[test]
    fn integers_of_any_width_keep_their_sign() {
        assert_eq!(value(b"\x8a\x00."), Value::Int(0));
        assert_eq!(value(b"\x8a\x01\xff."), Value::Int(-1));
        assert_eq!(value(b"\x8a\x02\xff\x00."), Value::Int(255));
        assert_eq!(value(b"\x8a\x06\0\0\0\0\0\xff."), Value::Int(-(1 << 40)));
        assert_eq!(value(b"\x8b\x01\0\0\0\x7f."), Value::Int(127));
        assert_eq!(value(b"J\xfe\xff\xff\xff."), Value::Int(-2));
        assert_eq!(value(b"M\xfe\xff."), Value::Int(65534));
        assert_eq!(value(b"\x8a\x09123456789."), Value::LongInt(b"123456789"));
    }

    #[test]
    fn what_follows_the_end_is_not_read() {
        assert_eq!(run(b"\x80\x02N.cos\nsystem\n").unwrap().length, 4);
    }

    #[test]
    fn the_memo_may_be_filled_in_any_order_without_taking_room_for_the_rest() {
        assert_eq!(
            value(b"K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff."),
            Value::Int(7)
        );
        assert_eq!(value(b"K\x07\x94K\x08\x94h\x01."), Value::Int(8));
    }

    #[test]
    fn the_later_of_two_values_of_a_key_counts() {
        let built = run(b"}(\x8c\x01aK\x01\x8c\x01bK\x02\x8c\x01aK\x03u.").unwrap();
        let Value::Dict(dict) = built.value else {
            panic!("{:?}", built.value)
        };
        assert_eq!(built.heap.item(dict, "a"), Some(Value::Int(3)));
        assert_eq!(built.heap.item(dict, "c"), None);
    }

    #[test]
    fn a_mark_is_a_floor_that_nothing_is_taken_from_under() {
        for program in [
            b"N(0.".as_slice(),
            b"N(\x85.",
            b"](a.",
            b"}(N\x85N(s.",
            b"N(q\0.",
        ] {
            assert!(
                run(program).unwrap_err().contains("where none is left"),
                "{program:?}"
            );
        }
    }

    #[test]
    fn a_program_of_too_many_operations_is_refused() {
        let program = b"N0".repeat(OPERATIONS / 2 + 1);
        assert!(run(&program).unwrap_err().contains("4194304 operations"));
    }
}
