//! What options say of the sampler, what they refuse, and how they are written.

use engraft_component::{FromNode, decode, read_yaml, to_yaml};

use super::*;
use crate::sampler::{Beam, Chain, Greedy, TopK};

fn read(yaml: &str) -> Result<Generate> {
    let node = read_yaml(yaml.as_bytes(), "")?;
    let (generate, notes) = decode(&node)?;
    assert!(notes.is_empty(), "{notes:?}");
    Ok(generate)
}

fn told(yaml: &str, default: &Sampler) -> String {
    match read(yaml).and_then(|generate| generate.sampler_or(default)) {
        Ok(sampler) => sampler.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn rules_name_the_sampler_where_nothing_else_does() {
    let default = Sampler::from(Chain {
        top_k: Some(50),
        temperature: 0.6,
        ..Chain::default()
    });
    for (yaml, expected) in [
        ("{}", "chain top_k=50 temperature=0.6"),
        ("{top_k: 3}", "top_k k=3 temperature=0.6"),
        (
            "{top_k: 3, top_p: 0.9, temperature: 1, seed: 4}",
            "top_p p=0.9 k=3 seed=4",
        ),
        ("{min_p: 0.2}", "min_p min_p=0.2 temperature=0.6"),
        (
            "{top_k: 3, min_p: 0.2}",
            "chain top_k=3 min_p=0.2 temperature=0.6",
        ),
        ("{temperature: 2}", "chain top_k=50 temperature=2"),
        ("{typical_p: 0.9}", "chain typical_p=0.9 temperature=0.6"),
        (
            "{top_k: 4, epsilon_cutoff: 0.01, eta_cutoff: 0.1, top_h: 0.5, temperature: 1}",
            "chain top_h=0.5 top_k=4 epsilon_cutoff=0.01 eta_cutoff=0.1",
        ),
    ] {
        assert_eq!(told(yaml, &default), expected, "{yaml}");
    }
}

#[test]
fn a_name_takes_its_own_arguments_and_refuses_others() {
    let default = Sampler::default();
    for (yaml, expected) in [
        ("{sampler: top_p}", "top_p p=0.1"),
        ("{sampler: TopKSampler}", "top_k k=5"),
        ("{sampler: top_k, top_k: 9}", "top_k k=9"),
        (
            "{sampler: {class_path: top_k, init_args: {k: 7}}, temperature: 2}",
            "top_k k=7 temperature=2",
        ),
        (
            "{sampler: top_k, top_p: 0.5}",
            "top_p changes nothing with the sampler top_k; leave it out, or choose another sampler",
        ),
        ("{sampler: greedy, seed: 1}", "greedy"),
    ] {
        assert_eq!(told(yaml, &default), expected, "{yaml}");
    }
    for yaml in [
        "{sampler: greedy, top_k: 1}",
        "{sampler: greedy, temperature: 0.5}",
        "{sampler: min_p, top_k: 1}",
        "{sampler: random, min_p: 0.1}",
        "{sampler: top_k, typical_p: 0.1}",
        "{sampler: greedy, eta_cutoff: 0.1}",
    ] {
        assert!(told(yaml, &default).contains(" changes nothing with the sampler "));
    }
    let message = told("{sampler: topk}", &default);
    assert!(
        message.starts_with("sampler: unknown sampler \"topk\". Did you mean \"top_k\"?"),
        "{message}"
    );
    for (yaml, expected) in [
        (
            "{sampler: beam, num_beams: 4, length_penalty: -1, early_stopping: never}",
            "beam num_beams=4 length_penalty=-1 early_stopping=never",
        ),
        (
            "{num_beams: 3}",
            "beam num_beams=3 length_penalty=1 early_stopping=false",
        ),
        ("{num_beams: 1}", "top_k k=5"),
        (
            "{sampler: beam_keras, num_beams: 3, temperature: 2}",
            "beam_keras num_beams=3 temperature=2",
        ),
        (
            "{sampler: contrastive, top_k: 7}",
            "contrastive k=7 alpha=0.6",
        ),
        (
            "{penalty_alpha: 0.3, top_k: 7}",
            "contrastive k=7 alpha=0.3",
        ),
        (
            "{draft: small, top_k: 7, seed: 2, num_speculative_tokens: 3}",
            "speculative draft=small num_speculative_tokens=3 of top_k k=7 seed=2",
        ),
        (
            "{sampler: speculative, draft: small, temperature: 0.5, seed: 2}",
            "temperature changes nothing with the sampler greedy; choose one that draws, such as sampler random",
        ),
        (
            "{sampler: beam, top_k: 3}",
            "top_k changes nothing with the sampler beam; leave it out, or choose another sampler",
        ),
        (
            "{num_beams: 3, temperature: 0.5}",
            "temperature changes nothing with the sampler beam; choose one that draws, such as sampler random",
        ),
        (
            "{sampler: greedy, num_beams: 2}",
            "num_beams changes nothing with the sampler greedy; leave it out, or choose another sampler",
        ),
        (
            "{length_penalty: 2}",
            "length_penalty changes nothing with the sampler top_k; leave it out, or choose another sampler",
        ),
        (
            "{num_beams: 3, draft: small}",
            "draft changes nothing with the sampler beam; leave it out, or choose another sampler",
        ),
        (
            "{num_speculative_tokens: 3}",
            "num_speculative_tokens changes nothing with the sampler top_k; leave it out, or choose another sampler",
        ),
        (
            "{num_beams: 3, early_stopping: maybe}",
            "early_stopping: expected true, false or never, found \"maybe\"",
        ),
    ] {
        assert_eq!(told(yaml, &default), expected, "{yaml}");
    }
    // A search that the preset asks for may be changed in part.
    let beams = Beam::new(4).into();
    for (yaml, expected) in [
        (
            "{length_penalty: 0}",
            "beam num_beams=4 length_penalty=0 early_stopping=false",
        ),
        (
            "{num_beams: 2}",
            "beam num_beams=2 length_penalty=1 early_stopping=false",
        ),
        ("{num_beams: 1}", "greedy"),
        ("{top_k: 2}", "top_k k=2"),
    ] {
        assert_eq!(told(yaml, &beams), expected, "{yaml}");
    }
}

#[test]
fn values_that_no_sampler_can_have_are_refused() {
    let greedy = Sampler::from(Greedy::default());
    for default in [&greedy, &Sampler::default()] {
        assert!(
            told("{temperature: 0}", default)
                .contains("temperature: expected a number above 0, found 0")
        );
    }
    assert_eq!(
        told("{top_k: 0}", &greedy),
        "sampler top_k: k: expected a whole number from 1, found 0"
    );
    assert!(
        told("{temperature: 0.7}", &greedy)
            .starts_with("temperature changes nothing with the sampler greedy")
    );
}

#[test]
fn options_that_no_text_can_be_written_by_are_refused_by_their_names() {
    for (yaml, key) in [
        ("{num_return_sequences: 0}", "num_return_sequences"),
        ("{num_beams: 0}", "num_beams"),
        ("{num_speculative_tokens: 0}", "num_speculative_tokens"),
        ("{frequency_penalty: .nan}", "frequency_penalty"),
        ("{logit_bias: ['3']}", "logit_bias"),
        ("{batch_size: 0}", "batch_size"),
        ("{context_length: 0}", "context_length"),
        ("{max_length: 0}", "max_length"),
        ("{max_length: 9, max_new_tokens: 3}", "max_length"),
        ("{max_new_tokens: 3, min_new_tokens: 4}", "min_new_tokens"),
        ("{max_length: 9, min_length: 10}", "min_length"),
        ("{stop: ['']}", "stop"),
        ("{suppress_tokens: x}", "suppress_tokens"),
        ("{bad_words_ids: [[1], [x]]}", "bad_words_ids[1][0]"),
        ("{forced_bos_token_id: -1}", "forced_bos_token_id"),
        ("{repetition_penalty: 0}", "repetition_penalty"),
        ("{sampler: greedy, top_p: 0.5}", "top_p"),
        ("{max_length: x}", "max_length"),
        ("{stop_token_ids: x}", "stop_token_ids"),
        ("{max_new_token: 3}", "max_new_token"),
    ] {
        let error = read(yaml)
            .and_then(|generate| generate.check())
            .unwrap_err();
        assert_eq!(
            error.refusal().map(|it| it.key.as_str()),
            Some(key),
            "{yaml}"
        );
    }
    let error = read("{max_new_token: 3}").unwrap_err().to_string();
    assert_eq!(
        error,
        "max_new_token: unknown key. Did you mean \"max_new_tokens\"?"
    );
    assert!(Generate::default().check().is_ok());
}

#[test]
fn options_are_written_as_they_are_read() {
    let generate = Generate {
        max_new_tokens: Some(3),
        sampler: TopK::default().into(),
        seed: Some(4),
        stop_token_ids: StopTokens::Ids(vec![1, 2]),
        stop: vec!["\n".to_owned(), "null".to_owned()],
        bad_words_ids: vec![TokenIds(vec![3]), TokenIds(vec![1, 2])],
        suppress_tokens: Some(TokenIds::default()),
        forced_eos_token_id: Some(TokenIds(vec![5])),
        logprobs: true,
        ..Generate::default()
    };
    let yaml = to_yaml(&generate.to_node());
    assert_eq!(read(&yaml).unwrap(), generate, "{yaml}");
    assert_eq!(read("{}").unwrap(), Generate::default());
}
