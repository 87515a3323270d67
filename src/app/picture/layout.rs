//! How a batch of pictures fills the space.

/// Columns, rows and scale of a grid of pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    pub columns: usize,
    pub rows: usize,
    /// Screen pixels per picture pixel.
    pub zoom: f32,
}

impl Grid {
    /// The grid that shows `count` pictures of `size` (width, height, in pixels) largest in `area`
    /// (screen pixels), with `gap` screen pixels between them. `crisp` prefers whole zooms.
    pub fn fit(area: [f32; 2], count: usize, size: [usize; 2], gap: f32, crisp: bool) -> Grid {
        let count = count.max(1);
        let along = |space: f32, pictures: usize, pixels: usize| {
            (space - gap * (pictures - 1) as f32) / (pictures * pixels.max(1)) as f32
        };
        let candidates = (1..=count).map(|columns| {
            let rows = count.div_ceil(columns);
            let zoom = along(area[0], columns, size[0]).min(along(area[1], rows, size[1])).max(0.0);
            Grid { columns, rows, zoom: if crisp { whole(zoom) } else { zoom } }
        });
        // Largest first; of equals the one with fewer holes, then the squarer one.
        let rank = |grid: &Grid| (grid.columns * grid.rows - count, grid.columns.abs_diff(grid.rows));
        let best = candidates.reduce(|best, next| {
            let larger = next.zoom > best.zoom * 1.001;
            let alike = next.zoom > best.zoom * 0.999;
            if larger || (alike && rank(&next) < rank(&best)) { next } else { best }
        });
        best.unwrap_or(Grid { columns: 1, rows: 1, zoom: 1.0 })
    }
}

/// A whole zoom where that costs less than a fifth of the size.
fn whole(zoom: f32) -> f32 {
    let whole = zoom.floor();
    if whole >= 0.8 * zoom { whole } else { zoom }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_square_pictures_make_a_square() {
        let grid = Grid::fit([800.0, 800.0], 16, [32, 32], 4.0, true);
        // (800 − 3·4)/(4·32) = 6.16
        assert_eq!(grid, Grid { columns: 4, rows: 4, zoom: 6.0 });
    }

    #[test]
    fn a_wide_area_takes_more_columns() {
        let grid = Grid::fit([1600.0, 400.0], 8, [32, 32], 0.0, false);
        assert_eq!(grid, Grid { columns: 4, rows: 2, zoom: 6.25 });
        let grid = Grid::fit([400.0, 1600.0], 8, [32, 32], 0.0, false);
        assert_eq!(grid, Grid { columns: 2, rows: 4, zoom: 6.25 });
    }

    #[test]
    fn every_count_fits_inside_and_has_room_for_all() {
        for count in 1..=64 {
            for area in [[700.0, 560.0], [1300.0, 900.0], [300.0, 900.0], [40.0, 40.0]] {
                let grid = Grid::fit(area, count, [32, 48], 4.0, true);
                let taken =
                    |pictures: usize, pixels: f32| pictures as f32 * pixels * grid.zoom + 4.0 * (pictures - 1) as f32;
                assert!(grid.columns * grid.rows >= count);
                assert!(grid.columns * (grid.rows - 1) < count, "no empty row: {grid:?}");
                if grid.zoom > 0.0 {
                    assert!(taken(grid.columns, 32.0) <= area[0] + 0.01, "{count} {area:?} {grid:?}");
                    assert!(taken(grid.rows, 48.0) <= area[1] + 0.01, "{count} {area:?} {grid:?}");
                }
            }
        }
    }

    #[test]
    fn a_whole_zoom_is_not_bought_with_half_the_size() {
        assert_eq!(whole(6.9), 6.0);
        assert_eq!(whole(1.9), 1.9);
        assert_eq!(whole(0.7), 0.7);
    }
}
