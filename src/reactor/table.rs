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

/// Places that are allocated together. In one piece the table would double now and then, by more than the memory that is kept in reserve
/// has in one run: a peer too many would end the process where memory is short.
const BLOCK_PLACES: usize = 256;

/// The sources of a reactor.
pub struct Table<T> {
    /// All but the last have [`BLOCK_PLACES`] places.
    blocks: Vec<Vec<Place<T>>>,
    /// Places in all blocks.
    count: usize,
    free: Vec<usize>,
}

struct Place<T> {
    generation: usize,
    value: Option<T>,
}

impl<T> Table<T> {
    pub fn new() -> Table<T> {
        Table { blocks: Vec::new(), count: 0, free: Vec::new() }
    }

    /// Returns `value` as the error when the table is full.
    pub fn insert(&mut self, value: T) -> Result<Token, T> {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.at(index)
        {
            place.value = Some(value);
            return Ok(Token(place.generation << INDEX_BITS | index));
        }
        let index = self.count;
        if index > INDEX_MASK {
            return Err(value);
        }
        if index.is_multiple_of(BLOCK_PLACES) {
            self.blocks.push(Vec::with_capacity(BLOCK_PLACES));
        }
        let Some(block) = self.blocks.last_mut() else { return Err(value) };
        block.push(Place { generation: 0, value: Some(value) });
        self.count += 1;
        Ok(Token(index))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count.saturating_sub(self.free.len())
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
        let taken = self.blocks.iter().flatten().enumerate().filter(|(_, place)| place.value.is_some());
        taken.map(|(index, place)| Token(place.generation << INDEX_BITS | index)).collect()
    }

    fn place(&mut self, token: Token) -> Option<&mut Place<T>> {
        let place = self.at(token.0 & INDEX_MASK)?;
        (place.generation == token.0 >> INDEX_BITS).then_some(place)
    }

    fn at(&mut self, index: usize) -> Option<&mut Place<T>> {
        self.blocks.get_mut(index / BLOCK_PLACES)?.get_mut(index % BLOCK_PLACES)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
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

    #[test]
    fn places_stay_when_there_are_more_of_them() {
        let mut table = Table::new();
        let tokens: Vec<Token> =
            (0..3 * BLOCK_PLACES + 1).filter_map(|number| table.insert(number).ok()).collect();
        assert!(table.blocks.iter().all(|block| block.capacity() == BLOCK_PLACES));
        assert_eq!((table.len(), tokens.len()), (3 * BLOCK_PLACES + 1, 3 * BLOCK_PLACES + 1));
        assert_eq!(table.tokens(), tokens);
        assert!(
            tokens.iter().enumerate().all(|(number, token)| table.value(*token) == Some(&mut number.clone()))
        );
        assert_eq!((table.remove(tokens[BLOCK_PLACES]), table.len()), (Some(BLOCK_PLACES), 3 * BLOCK_PLACES));
    }
}
