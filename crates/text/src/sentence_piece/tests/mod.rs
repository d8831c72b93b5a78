//! What SentencePiece files do beside agreeing with the library.

mod refusals;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Error, Result, Tokenizer};

const UNIGRAM: &[u8] =
    include_bytes!("../../../../../tests/golden/tokenizers/sentence_piece/unigram.model");
const UNIGRAM_BYTES: &[u8] =
    include_bytes!("../../../../../tests/golden/tokenizers/sentence_piece/unigram_bytes.model");
const MERGES: &[u8] =
    include_bytes!("../../../../../tests/golden/tokenizers/sentence_piece/bpe_bytes.model");
const UNUSED: &[u8] =
    include_bytes!("../../../../../tests/golden/tokenizers/sentence_piece/unused.model");
const RULES: &[u8] =
    include_bytes!("../../../../../tests/golden/tokenizers/sentence_piece/rules.model");

/// Fields of a message, written.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u8, mut number: u64) -> Message {
        self.key(field, 0);
        while number > 0x7f {
            self.0.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap());
        self
    }

    fn bytes(self, field: u8, bytes: &[u8]) -> Message {
        // The length is written as a number is, but for the key.
        let length = Message::default().number(0, u64::try_from(bytes.len()).unwrap());
        let mut message = self;
        message.key(field, 2);
        message.0.extend(&length.0[1..]);
        message.0.extend(bytes);
        message
    }

    fn float(mut self, field: u8, number: f32) -> Message {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
        self
    }

    fn message(self, field: u8, message: &Message) -> Message {
        self.bytes(field, &message.0)
    }

    fn key(&mut self, field: u8, kind: u8) {
        let key = u64::from(field) << 3 | u64::from(kind);
        if key > 0x7f {
            self.0.push(u8::try_from(key & 0x7f).unwrap() | 0x80);
            self.0.push(u8::try_from(key >> 7).unwrap());
        } else {
            self.0.push(u8::try_from(key).unwrap());
        }
    }

    fn piece(self, text: &str, score: f32, kind: u64) -> Message {
        let piece = Message::default().bytes(1, text.as_bytes()).float(2, score);
        self.message(1, &piece.number(3, kind))
    }

    /// The parts that follow the pieces, with options of each.
    fn rest(self, trainer: Message, normalizer: Message) -> Vec<u8> {
        self.message(2, &trainer).message(3, &normalizer).0
    }

    fn end(self) -> Vec<u8> {
        self.rest(Message::default(), Message::default())
    }
}

fn new() -> Message {
    Message::default()
}

/// A model that every test of a broken one is made from.
fn small() -> Message {
    new()
        .piece("<unk>", 0.0, 2)
        .piece("<s>", 0.0, 3)
        .piece("</s>", 0.0, 3)
        .piece("\u{2581}", -2.0, 1)
        .piece("a", -1.0, 1)
}

fn open_with(file: &str, model: &[u8], settings: &Value, config: Value) -> Result<Tokenizer> {
    let read = |name: &str| {
        Ok(match name {
            "tokenizer_config.json" => Some(settings.to_string().into_bytes()),
            _ => (name == file).then(|| model.to_vec()),
        })
    };
    let Value::Object(config) = config else {
        panic!("a config is an object")
    };
    Tokenizer::from_preset_files(&read, &config)
}

fn open(model: &[u8]) -> Result<Tokenizer> {
    open_with("spiece.model", model, &json!({}), json!({}))
}

fn family(class: &str, model: &[u8]) -> Tokenizer {
    open_with(
        "spiece.model",
        model,
        &json!({"tokenizer_class": class}),
        json!({}),
    )
    .unwrap()
}

fn refusal(model: &[u8]) -> String {
    open(model).unwrap_err().to_string()
}

#[test]
fn a_small_model_is_read_from_each_of_its_names() {
    for file in crate::files::SENTENCE_PIECE {
        let tokenizer = open_with(file, &small().end(), &json!({}), json!({})).unwrap();
        assert_eq!(
            tokenizer.encode("aba a", None).unwrap().ids,
            [3, 4, 0, 4, 3, 4]
        );
        assert_eq!(tokenizer.vocab_size(), 5);
        let special = tokenizer.special_ids();
        assert_eq!(
            (special.unk, special.bos, special.eos),
            (Some(0), Some(1), Some(2))
        );
        assert!(
            tokenizer
                .files()
                .contains(&(file.to_owned(), small().end()))
        );
    }
}

#[test]
fn a_tokenizer_json_comes_before_a_sentence_piece_file_and_both_are_kept() {
    let json: &[u8] = include_bytes!("../../../../hub/presets/sapiens_vh/tokenizer.json");
    let read = |name: &str| {
        Ok(match name {
            "tokenizer.json" => Some(json.to_vec()),
            "spiece.model" => Some(b"broken".to_vec()),
            _ => None,
        })
    };
    let tokenizer = Tokenizer::from_preset_files(&read, &Map::new()).unwrap();
    assert_eq!(tokenizer.token_to_id("<mask>"), Some(24));
    assert_eq!(tokenizer.files().len(), 2);
}

#[test]
fn control_pieces_are_never_produced_and_user_defined_ones_always() {
    let model = small().piece("<x>", 0.0, 4).piece("b<", -0.1, 1).end();
    let tokenizer = open(&model).unwrap();
    assert_eq!(tokenizer.encode("a<s>", None).unwrap().ids, [3, 4, 0]);
    assert_eq!(tokenizer.encode("b<x>", None).unwrap().ids, [3, 0, 5]);
    assert_eq!(
        tokenizer.decode(&[1, 3, 4, 0, 5, 2], true).unwrap(),
        "a \u{2047} <x>"
    );
}

#[test]
fn the_special_tokens_of_a_family_are_found_in_texts_and_never_divided() {
    let tokenizer = family("XLMRobertaTokenizer", &small().end());
    let encoding = tokenizer.encode("a  <mask> a</s>", Some("a")).unwrap();
    assert_eq!(encoding.ids, [0, 4, 5, 6, 4, 5, 2, 2, 2, 4, 5, 2]);
    assert!(encoding.type_ids.iter().all(|kind| *kind == 0));
    assert_eq!(tokenizer.id_to_token(5).unwrap(), "a");
    let special = tokenizer.special_ids();
    assert_eq!(
        (special.cls, special.pad, special.mask),
        (Some(0), Some(1), Some(6))
    );
}

#[test]
fn tokens_that_the_model_lacks_follow_its_last_id_unless_the_files_say_otherwise() {
    let model = new()
        .piece("[PAD]", 0.0, 3)
        .piece("[CLS]", 0.0, 3)
        .piece("[SEP]", 0.0, 3)
        .piece("[UNK]", 0.0, 2)
        .piece("\u{2581}a", -1.0, 1)
        .end();
    let mut settings = json!({"additional_special_tokens": ["<new>"]});
    let config = json!({"model_type": "deberta-v2"});
    let tokenizer = open_with("spm.model", &model, &settings, config.clone()).unwrap();
    assert_eq!(
        tokenizer.encode("a[MASK]<new>", None).unwrap().ids,
        [1, 4, 5, 6, 2]
    );
    settings["added_tokens_decoder"] =
        json!({"9": {"content": "[MASK]", "special": true, "lstrip": true}});
    let tokenizer = open_with("spm.model", &model, &settings, config).unwrap();
    assert_eq!(
        tokenizer.encode("a [MASK]", None).unwrap().ids,
        [1, 4, 9, 2]
    );
    assert!(matches!(
        tokenizer.check_vocab_size(9),
        Err(Error::IdOutOfRange { id: 9, .. })
    ));
}

#[test]
fn the_mask_takes_the_spaces_before_it_unless_the_files_say_otherwise() {
    let ids = |mask: Value| {
        let settings = json!({"tokenizer_class": "AlbertTokenizer", "mask_token": mask, "remove_space": false});
        let tokenizer = open_with(
            "spiece.model",
            &small().rest(new(), new().number(4, 0)),
            &settings,
            json!({}),
        );
        tokenizer.unwrap().encode("a [MASK]", None).unwrap().ids
    };
    assert_eq!(
        ids(json!("[MASK]")).len() + 1,
        ids(json!({"content": "[MASK]", "lstrip": false})).len()
    );
}

#[test]
fn sentinels_of_t5_are_numbered_from_the_end() {
    let settings = json!({"tokenizer_class": "T5Tokenizer", "extra_ids": 3});
    let tokenizer = open_with("spiece.model", &small().end(), &settings, json!({})).unwrap();
    let tokens =
        ["<extra_id_2>", "<extra_id_0>", "<pad>"].map(|token| tokenizer.token_to_id(token));
    assert_eq!(tokens, [Some(5), Some(7), Some(8)]);
}

#[test]
fn a_long_chain_of_unused_pieces_is_taken_apart() {
    let mut model = new().piece("<unk>", 0.0, 2).piece("a", -1.0, 1);
    for length in 2..=600u16 {
        model = model.piece(
            &"a".repeat(usize::from(length)),
            -1.0 / f32::from(length),
            5,
        );
    }
    let tokenizer = open(&model.rest(new().number(3, 2), new().number(3, 0))).unwrap();
    assert_eq!(
        tokenizer.encode(&"a".repeat(1000), None).unwrap().ids,
        vec![1; 1000]
    );
}

proptest! {
    #[test]
    fn a_model_that_leaves_texts_as_they_are_decodes_what_it_encodes(text in "\\PC{0,40}") {
        // This mark stands for a space within pieces.
        prop_assume!(!text.contains('\u{2581}'));
        for model in [UNIGRAM_BYTES, MERGES] {
            let tokenizer = open(model).unwrap();
            let ids = tokenizer.encode(&text, None).unwrap().ids;
            prop_assert_eq!(tokenizer.decode(&ids, false).unwrap(), text.as_str());
        }
    }
}
