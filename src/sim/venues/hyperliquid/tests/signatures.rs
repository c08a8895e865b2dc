//! Published vectors, byte by byte, and what becomes of signatures that are wrong.

use super::super::address::unhex;
use super::*;

const VECTORS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/hyperliquid/signing_vectors.json"
));

fn hash_of(text: &Value) -> [u8; 32] {
    unhex(text.as_str().unwrap()).unwrap()
}

fn unhexed(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn vectors(name: &str) -> Vec<Value> {
    parsed(VECTORS)[name].as_array().unwrap().clone()
}

#[test]
fn l1_actions_give_the_published_bytes_hashes_and_signers() {
    let all = vectors("l1_actions");
    assert_eq!(all.len(), 33);
    for vector in &all {
        let name = &vector["name"];
        let published = unhexed(vector["msgpack_hex"].as_str().unwrap());
        let bytes = action_bytes(&vector["action"]).unwrap();
        // Some were hashed with a zero too many: signed so, the venue does not know the signer.
        let untidy = vector["action"].to_string().contains("2000.0");
        assert_eq!(digits(&bytes) == digits(&published), !untidy, "{name}");
        let bytes = published;
        let vault = vector["vault_address"].as_str().map(|text| Address::parse(text).unwrap());
        let tail = tail(vector["nonce"].as_u64().unwrap(), vault, vector["expires_after"].as_u64());
        assert_eq!(digits(&tail), vector["tail_hex"].as_str().unwrap(), "{name}");
        let hash = keccak(&[&bytes, &tail]);
        assert_eq!(hash, hash_of(&vector["action_hash"]), "{name}");
        for (source, network) in [(Source::Mainnet, "mainnet"), (Source::Testnet, "testnet")] {
            let wanted = &vector[network];
            let agent = auth::agent_hash(source, &hash);
            assert_eq!(agent, hash_of(&wanted["struct_hash"]), "{name}");
            let digest = auth::l1_digest(source, &hash);
            assert_eq!(digest, hash_of(&wanted["digest"]), "{name}");
            let signer = auth::recover(&digest, wanted).map(|signer| signer.to_string());
            assert_eq!(signer.as_deref(), vector["signer_address"].as_str(), "{name}");
        }
    }
}

#[test]
fn user_signed_actions_give_the_published_hashes_and_signers() {
    let names = [
        ("UsdSend", "usdSend"),
        ("Withdraw", "withdraw3"),
        ("UsdClassTransfer", "usdClassTransfer"),
        ("ApproveAgent", "approveAgent"),
        ("ApproveBuilderFee", "approveBuilderFee"),
    ];
    let all = vectors("user_signed_actions");
    assert_eq!(all.len(), 10);
    for vector in &all {
        let primary = vector["primary_type"].as_str().unwrap();
        let primary = primary.strip_prefix("HyperliquidTransaction:").unwrap();
        let name = names.iter().find(|(known, _)| *known == primary).unwrap().1;
        let mut action = vector["message"].clone();
        action["type"] = json!(name);
        action["signatureChainId"] = vector["signature_chain_id"].clone();
        let chain = vector["signature_chain_id"].as_str().unwrap();
        let chain = u64::from_str_radix(&chain[2..], 16).unwrap();
        let domain = auth::domain_separator("HyperliquidSignTransaction", chain);
        assert_eq!(domain, hash_of(&vector["domain_separator"]), "{name}");
        let hash = auth::user_hash(name, &action).unwrap();
        assert_eq!(hash, hash_of(&vector["struct_hash"]), "{}", vector["name"]);
        let digest = auth::user_digest(&action).unwrap();
        assert_eq!(digest, hash_of(&vector["digest"]), "{}", vector["name"]);
        let signer = auth::recover(&digest, vector).map(|signer| signer.to_string());
        assert_eq!(signer.as_deref(), vector["signer_address"].as_str(), "{}", vector["name"]);
    }
}

#[test]
fn constants_are_those_of_the_documentation() {
    let constants = &parsed(VECTORS)["constants"];
    let l1 = auth::domain_separator("Exchange", 1_337);
    assert_eq!(l1, hash_of(&constants["l1_domain_separator"]));
    let kind = |name: &str| keccak(&[constants[name].as_str().unwrap().as_bytes()]);
    assert_eq!(kind("agent_type_string"), hash_of(&constants["agent_type_hash"]));
    assert_eq!(kind("eip712domain_type_string"), hash_of(&constants["eip712domain_type_hash"]));
    for (name, chain) in [
        ("user_domain_separator_chain_0x66eee", 0x6_6eee),
        ("user_domain_separator_chain_0xa4b1", 0xa4b1),
    ] {
        let domain = auth::domain_separator("HyperliquidSignTransaction", chain);
        assert_eq!(domain, hash_of(&constants[name]));
    }
}

#[test]
fn numbers_and_addresses_are_hashed_in_their_one_form() {
    let hashed = |action: Value| digits(&action_bytes(&action).unwrap());
    let order = |price: &str, cloid: Option<&str>| {
        let mut order = limit(4, "buy", price, "0.0147", "Ioc");
        if let Some(cloid) = cloid {
            order["c"] = json!(cloid);
        }
        json!({"type": "order", "orders": [order], "grouping": "na"})
    };
    let wanted = hashed(order("1670.1", None));
    for same in ["1670.10", "1670.1000", "01670.1"] {
        assert_eq!(hashed(order(same, None)), wanted, "{same}");
    }
    assert_eq!(hashed(order("0.0", None)), hashed(order("-0", None)));
    let [low, high] = ["0xabcdef00000000000000000000000001", "0xABCDEF00000000000000000000000001"];
    assert_eq!(hashed(order("1", Some(low))), hashed(order("1", Some(high))));
    let mut null = order("1670.1", None);
    null["builder"] = Value::Null;
    null["unknown"] = json!(1);
    assert_eq!(hashed(null), wanted, "what is null or unknown is not hashed");
    let cancel = json!({"type": "cancel", "cancels": [{"a": 0, "o": 1}]});
    let mut slow = cancel.clone();
    slow["f"] = json!(false);
    assert_eq!(hashed(slow), hashed(cancel), "nor is a flag that is not set");
    for bad in ["1e3", "+1", "0.000000001", "", " 1", "1_0", "99999999999999999999", "x"] {
        assert!(action_bytes(&order(bad, None)).is_err(), "{bad}");
    }
    for bad in
        [json!(null), json!([]), json!({}), json!({"type": "twap"}), json!({"type": "order"})]
    {
        let orders = action_bytes(&bad).is_ok();
        assert_eq!(orders, bad["type"] == "order", "{bad}: members are the desk's affair");
    }
}

#[test]
fn integers_lists_and_texts_have_the_shortest_heads() {
    let weight = |weight: Value| {
        let bytes =
            action_bytes(&json!({"type": "reserveRequestWeight", "weight": weight})).unwrap();
        digits(&bytes[34..])
    };
    for (value, wanted) in [
        (json!(0), "00"),
        (json!(127), "7f"),
        (json!(128), "cc80"),
        (json!(255), "ccff"),
        (json!(256), "cd0100"),
        (json!(65_536), "ce00010000"),
        (json!(4_294_967_296_u64), "cf0000000100000000"),
        (json!(-1), "ff"),
        (json!(-32), "e0"),
        (json!(-33), "d0df"),
        (json!(-129), "d1ff7f"),
        (json!(-32_769), "d2ffff7fff"),
        (json!(-2_147_483_649_i64), "d3ffffffff7fffffff"),
        (json!(true), "c3"),
        (json!("a".repeat(32)), &format!("d920{}", "61".repeat(32))),
        (json!("a".repeat(256)), &format!("da0100{}", "61".repeat(256))),
    ] {
        assert_eq!(weight(value.clone()), wanted, "{value}");
    }
    let cancels = vec![json!({"a": 0, "o": 1}); 16];
    let bytes = action_bytes(&json!({"type": "cancel", "cancels": cancels})).unwrap();
    assert!(digits(&bytes).contains("dc001082a16100a16f01"), "sixteen need a longer head");
}

/// The account of the vectors trades with what they signed.
#[test]
fn wrong_bytes_give_another_signer_each_time() {
    let mut rig = Rig::with_books();
    let action = json!({"type": "order", "orders": [limit(0, "buy", "60000", "0.01", "Gtc")], "grouping": "na"});
    let body = rig.signed(&KEY, &action);
    let mut seen = Vec::new();
    let mut bent: Vec<Value> = Vec::new();
    for (path, value) in [
        ("/nonce", json!(rig.nonce + 1)),
        ("/action/orders/0/p", json!("60001")),
        ("/expiresAfter", json!(rig.now + 10_000)),
        ("/vaultAddress", json!(address(&OTHER))),
    ] {
        let mut one = body.clone();
        *one.pointer_mut(path).unwrap() = value;
        bent.push(one);
    }
    // Signed with the keys sorted, or with a zero behind the price.
    let sorted = b"\x82\xa8grouping\xa2na\xa4type\xa5order";
    let hash = keccak(&[sorted, &tail(rig.nonce, None, None)]);
    let mut one = body.clone();
    one["signature"] = sign(&KEY, &auth::l1_digest(Source::Mainnet, &hash));
    bent.push(one);
    for one in bent {
        let reply = parsed(&rig.http("/exchange", &one.to_string()).body);
        let text = reply["response"].as_str().unwrap();
        let who = text.strip_prefix("User or API Wallet 0x").unwrap();
        let who = who.strip_suffix(" does not exist.").unwrap();
        assert_eq!((&reply["status"], who.len()), (&json!("err"), 40), "{text}");
        assert!(!seen.contains(&who.to_owned()), "another each time");
        seen.push(who.to_owned());
    }
    let reply = parsed(&rig.http("/exchange", &body.to_string()).body);
    assert_eq!(reply["status"], "ok", "none of them used up the number");
}

#[test]
fn zeros_at_the_front_of_a_signature_may_be_left_out() {
    let all = vectors("l1_actions");
    let mut seen = 0;
    for (vector, source, network) in all.iter().flat_map(|vector| {
        [(vector, Source::Mainnet, "mainnet"), (vector, Source::Testnet, "testnet")]
    }) {
        let mut signature = vector[network].clone();
        let digest = hash_of(&signature["digest"]);
        for half in ["r", "s"] {
            let text = signature[half].as_str().unwrap().replacen("0x", "", 1);
            let short = text.trim_start_matches('0');
            seen += usize::from(short.len() < text.len());
            signature[half] = json!(format!("0x{short}"));
        }
        let signer = auth::recover(&digest, &signature).map(|signer| signer.to_string());
        assert_eq!(signer.as_deref(), vector["signer_address"].as_str(), "{source:?}");
    }
    assert!(seen > 5, "{seen} of the vectors have such zeros");
}

#[test]
fn what_is_no_signature_is_said_to_be_none() {
    let mut rig = Rig::new();
    let body = rig.signed(&KEY, &json!({"type": "noop"}));
    let r = body["signature"]["r"].as_str().unwrap().to_owned();
    for (path, value) in [
        ("/signature/v", json!(0)),
        ("/signature/v", json!(29)),
        ("/signature/v", json!("27")),
        ("/signature/r", json!("0x00")),
        ("/signature/r", json!("0x")),
        ("/signature/r", json!(format!("0x0{}", &r[2..]))),
        ("/signature/r", json!(format!("0x{}", "00".repeat(32)))),
        ("/signature/r", json!(format!("0x{}", "ff".repeat(32)))),
        ("/signature/r", json!(&r[2..])),
        ("/signature/s", Value::Null),
        ("/signature", json!("0x")),
    ] {
        let mut one = body.clone();
        *one.pointer_mut(path).unwrap() = value.clone();
        let reply = parsed(&rig.http("/exchange", &one.to_string()).body);
        assert_eq!(reply, refused("Unable to recover signer."), "{path} {value}");
    }
}

#[test]
fn a_number_is_used_once_and_not_too_old() {
    let mut rig = Rig::new();
    let noop = json!({"type": "noop"});
    let mut send = |key: &[u8; 32], nonce: u64| {
        let body = signed_at(key, &noop, nonce, None);
        parsed(&rig.http("/exchange", &body.to_string()).body)
    };
    assert_eq!(send(&KEY, NOW), done());
    let again = format!("Invalid nonce: duplicate nonce {NOW}");
    assert_eq!(send(&KEY, NOW), refused(&again));
    assert_eq!(send(&OTHER, NOW), done(), "each signer has its own");
    assert_eq!(send(&KEY, NOW - 1), done(), "in any order");
    assert!(
        send(&KEY, NOW - 3 * 86_400_000)["response"].as_str().unwrap().starts_with("Invalid nonce")
    );
}

#[test]
fn late_actions_are_refused_and_cost_more() {
    let mut rig = Rig::new();
    let noop = json!({"type": "noop"});
    let mut send = |nonce: u64, until: u64| {
        let body = signed_at(&KEY, &noop, nonce, Some(until));
        parsed(&rig.http("/exchange", &body.to_string()).body)
    };
    assert_eq!(send(NOW, NOW), done());
    assert_eq!(send(NOW + 1, NOW - 1), refused("Action has expired."));
    assert_eq!(rig.info_of_user("userRateLimit")["nRequestsUsed"], 6);
}

#[test]
fn agents_act_once_approved_and_move_nothing() {
    let mut rig = Rig::with_books();
    let order = limit(0, "buy", "60000", "0.01", "Gtc");
    let action = json!({"type": "order", "orders": [order], "grouping": "na"});
    let unknown = format!("User or API Wallet {} does not exist.", address(&AGENT));
    assert_eq!(rig.act_as(&AGENT, action.clone()), refused(&unknown));
    let approve = |rig: &mut Rig, key: &[u8; 32], name: Option<&str>| {
        rig.nonce += 1;
        let mut approve = json!({
            "type": "approveAgent",
            "hyperliquidChain": "Mainnet",
            "signatureChainId": "0x66eee",
            "agentAddress": address(&AGENT),
            "nonce": rig.nonce,
        });
        approve["agentName"] = json!(name);
        let signature = sign(key, &auth::user_digest(&approve).unwrap());
        let body = json!({"action": approve, "nonce": rig.nonce, "signature": signature});
        parsed(&rig.http("/exchange", &body.to_string()).body)
    };
    assert_eq!(approve(&mut rig, &KEY, Some("bot")), done());
    assert_eq!(rig.act_as(&AGENT, action)["status"], "ok");
    assert_eq!(rig.info_of_user("openOrders").as_array().unwrap().len(), 1, "the account's order");
    let of_agent = json!({"type": "openOrders", "user": address(&AGENT)});
    assert_eq!(rig.info(of_agent), json!([]), "an agent has nothing");
    let role = json!({"type": "userRole", "user": address(&AGENT)});
    assert_eq!(rig.info(role), json!({"role": "agent", "data": {"user": address(&KEY)}}));
    let agents = rig.info_of_user("extraAgents");
    assert_eq!(
        (&agents[0]["name"], &agents[0]["address"]),
        (&json!("bot"), &json!(address(&AGENT)))
    );
    let refusal = approve(&mut rig, &AGENT, None);
    assert_eq!(refusal, refused(&unknown), "an agent approves nobody");
}

#[test]
fn given_agents_act_from_the_start_and_networks_are_told_apart() {
    let options = HyperliquidOptions {
        testnet: Some(true),
        agents: vec![(address(&AGENT), address(&KEY))],
        ..HyperliquidOptions::default()
    };
    let mut rig = Rig::with(options);
    let noop = json!({"type": "noop"});
    let hash = keccak(&[&action_bytes(&noop).unwrap(), &tail(NOW, None, None)]);
    let mut send = |source| {
        let signature = sign(&AGENT, &auth::l1_digest(source, &hash));
        let body = json!({"action": noop, "nonce": NOW, "signature": signature});
        parsed(&rig.http("/exchange", &body.to_string()).body)
    };
    let text = send(Source::Mainnet)["response"].as_str().unwrap().to_owned();
    assert!(text.ends_with("does not exist.") && !text.contains(&address(&AGENT)), "{text}");
    assert_eq!(send(Source::Testnet), done());
}

#[test]
fn accounts_without_funds_must_deposit() {
    let mut rig = Rig::new();
    let key = ApiKey { key: address(&KEY), secret: String::new(), ed25519_public: Vec::new() };
    rig.exchange = Exchange::new(rig.exchange.symbols().to_vec(), vec![(key, BTreeMap::new())]);
    let text = format!("Must deposit before performing actions. User: {}", address(&KEY));
    assert_eq!(rig.act(json!({"type": "noop"})), refused(&text));
}
