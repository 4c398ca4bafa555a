//! Boxes on a picture.

/// An upright rectangle in pixels of the frame it was found on.
///
/// The origin is the frame's top-left corner, x grows to the right, y downwards.  Edges may lie outside the frame
/// and between pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Smallest x.
    pub left: f32,
    /// Smallest y.
    pub top: f32,
    /// Largest x.
    pub right: f32,
    /// Largest y.
    pub bottom: f32,
}

impl Rect {
    /// A rectangle from its edges.
    pub const fn new(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { left, top, right, bottom }
    }

    /// A rectangle from its centre and size.
    pub const fn centred(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self::new(x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0)
    }

    /// Width in pixels; negative if the edges are swapped.
    pub const fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Height in pixels; negative if the edges are swapped.
    pub const fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// Area in square pixels; 0 for an empty or inverted rectangle.
    pub const fn area(&self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Centre as (x, y).
    pub const fn centre(&self) -> (f32, f32) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// The part that both rectangles cover; its area is 0 if there is none.
    pub const fn intersection(&self, other: &Self) -> Self {
        Self::new(
            self.left.max(other.left),
            self.top.max(other.top),
            self.right.min(other.right),
            self.bottom.min(other.bottom),
        )
    }

    /// Intersection over union: 0 (apart) to 1 (the same); 0 if both are empty.
    pub fn overlap(&self, other: &Self) -> f32 {
        let common = self.intersection(other).area();
        let union = self.area() + other.area() - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_the_same_of_half_and_of_none() {
        let unit = Rect::new(0.0, 0.0, 2.0, 2.0);
        assert_eq!(unit.overlap(&unit), 1.0);
        assert_eq!(unit.overlap(&Rect::new(0.0, 0.0, 2.0, 1.0)), 0.5);
        assert_eq!(unit.overlap(&Rect::new(2.0, 0.0, 4.0, 2.0)), 0.0);
        assert_eq!(unit.overlap(&Rect::new(3.0, 3.0, 1.0, 1.0)), 0.0);
        assert_eq!(Rect::default().overlap(&Rect::default()), 0.0);
    }

    #[test]
    fn centre_and_size_come_back() {
        let rect = Rect::centred(10.0, 20.0, 4.0, 6.0);
        assert_eq!(rect, Rect::new(8.0, 17.0, 12.0, 23.0));
        assert_eq!(rect.centre(), (10.0, 20.0));
        assert_eq!((rect.width(), rect.height(), rect.area()), (4.0, 6.0, 24.0));
    }
}
