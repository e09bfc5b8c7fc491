//! Varied orders out of a seed.

use std::io::{BufWriter, Write};

use fastrand::Rng;

use crate::order::{Courier, Item, Order, Payment};

const CUSTOMERS: [&str; 8] = ["ada", "björn", "chloé", "dmitri", "esi", "fatima", "göran", "hanako"];
const ARTICLES: [(&str, u64); 6] = [
    ("TEA-GREEN", 450),
    ("TEA-BLACK", 380),
    ("MUG", 1_200),
    ("KETTLE", 4_900),
    ("SCALE", 2_750),
    ("RARE-PUERH", 18_000),
];

/// Prints orders as JSON lines.
///
/// # Errors
/// If standard output cannot be written; a reader that has had enough is no error.
pub fn print(orders: u64, seed: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = all(orders, seed).try_for_each(|order| {
        serde_json::to_writer(&mut out, &order)?;
        out.write_all(b"\n")
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The orders of a seed as JSON lines.
///
/// # Errors
/// None: an order can be written as JSON.
pub fn lines(orders: u64, seed: u64) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for order in all(orders, seed) {
        serde_json::to_writer(&mut lines, &order)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The orders of a seed.
pub fn all(orders: u64, seed: u64) -> impl Iterator<Item = Order> {
    let mut rng = Rng::with_seed(seed);
    (1..=orders).map(move |number| order(&mut rng, format!("order-{seed}-{number:06}")))
}

fn order(rng: &mut Rng, id: String) -> Order {
    let mut items: Vec<Item> = (0..rng.usize(1..=3)).map(|_| item(rng)).collect();
    match rng.u32(0..100) {
        0 | 1 => items.clear(),
        2 | 3 => items[0].quantity = 0,
        _ => {}
    }
    let payment = match rng.u32(0..10) {
        0..=6 => Payment::Card { last_four: format!("{:04}", rng.u32(0..10_000)) },
        7 | 8 => Payment::Invoice,
        _ if rng.u32(0..4) == 0 => Payment::Voucher { code: format!("OOPS-{}", rng.u16(..)) },
        _ => Payment::Voucher { code: format!("GIFT-{}", rng.u16(..)) },
    };
    Order {
        id,
        customer: CUSTOMERS[rng.usize(..CUSTOMERS.len())].to_owned(),
        items,
        payment,
        courier: if rng.u32(0..50) == 0 { Courier::Lost } else { Courier::Prompt },
        total_cents: None,
        log: Vec::new(),
    }
}

fn item(rng: &mut Rng) -> Item {
    // The rare article is last and seldom asked for.
    let usual = ARTICLES.len() - 1;
    let at = if rng.u32(0..40) == 0 { usual } else { rng.usize(..usual) };
    let (sku, unit_cents) = ARTICLES[at];
    Item { sku: sku.to_owned(), quantity: rng.u32(1..=4), unit_cents }
}
