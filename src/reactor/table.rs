//! Values by generational token.

/// Names a source on its reactor, and in epoll. A place in the table repeats a token only after 2³¹ sources (2¹¹ on 32-bit
/// systems). So a late event of a source that is gone finds no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(usize);

/// The lower bits are the place in the table. On 32-bit systems a thread has at most a million sources.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
/// One bit less than remains, so that no token equals a reserved number.
const GENERATION_MASK: usize = (1 << (usize::BITS - INDEX_BITS - 1)) - 1;

impl Token {
    /// The token of no source. The reactor's waker is registered with it.
    pub const NONE: Token = Token(usize::MAX);

    pub fn new(raw: usize) -> Token {
        Token(raw)
    }

    pub fn raw(self) -> usize {
        self.0
    }
}

/// The sources of a reactor.
pub struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<usize>,
}

struct Place<T> {
    generation: usize,
    value: Option<T>,
}

impl<T> Table<T> {
    pub fn new() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new() }
    }

    /// Returns `value` as the error when the table is full.
    pub fn insert(&mut self, value: T) -> Result<Token, T> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index)
        {
            place.value = Some(value);
            return Ok(Token(place.generation << INDEX_BITS | index));
        }
        let index = self.places.len();
        if index > INDEX_MASK {
            return Err(value);
        }
        self.places.push(Place { generation: 0, value: Some(value) });
        Ok(Token(index))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    pub fn value(&mut self, token: Token) -> Option<&mut T> {
        self.place(token)?.value.as_mut()
    }

    pub fn remove(&mut self, token: Token) -> Option<T> {
        let place = self.place(token)?;
        let value = place.value.take()?;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        self.free.push(token.0 & INDEX_MASK);
        Some(value)
    }

    /// The tokens of all values.
    pub fn tokens(&self) -> Vec<Token> {
        let taken = self.places.iter().enumerate().filter(|(_, place)| place.value.is_some());
        taken.map(|(index, place)| Token(place.generation << INDEX_BITS | index)).collect()
    }

    fn place(&mut self, token: Token) -> Option<&mut Place<T>> {
        let place = self.places.get_mut(token.0 & INDEX_MASK)?;
        (place.generation == token.0 >> INDEX_BITS).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_dies_with_its_value() {
        let mut table = Table::new();
        let first = table.insert('a');
        let second = table.insert('b');
        let (Ok(first), Ok(second)) = (first, second) else { unreachable!() };
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        let Ok(third) = table.insert('c') else { unreachable!() };
        assert_eq!(third.raw() & INDEX_MASK, first.raw() & INDEX_MASK, "the place is used again");
        assert_eq!(table.value(first), None);
        assert_eq!(table.value(third), Some(&mut 'c'));
        assert_eq!(table.value(Token::NONE), None);
        assert_eq!(table.tokens(), [third, second]);
    }
}
