//! Percent-encoding, as URLs have it.

/// What is wrong with a part that has a NUL.
pub(super) const NUL: &str = "there is a NUL in it, which stands in no name and in no password: take it away";

/// Decodes `%41` and the like; a plus is a plus.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (Some(high), Some(low)) = (hex(tail.first()), hex(tail.get(1))) else {
            return Err("a % must be followed by two hexadecimal digits: write %25 for a % itself".to_owned());
        };
        bytes.push(high * 16 + low);
        rest = &tail[2..];
    }
    if bytes.contains(&0) {
        return Err(NUL.to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 once it is percent-decoded".to_owned())
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?).to_digit(16).map(|value| value as u8)
}

/// Encodes whatever could be read as something else in any part of a URL.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_code_is_refused() {
        for text in ["%", "a%4", "%zz", "%ff", "a%00b"] {
            assert!(decode(text).is_err(), "{text}");
        }
        assert_eq!(decode("a+b%20c").as_deref(), Ok("a+b c"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in "[^\\x00\\n]*") {
            prop_assert_eq!(decode(&encode(&text)), Ok(text));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = decode(&text);
        }
    }
}
