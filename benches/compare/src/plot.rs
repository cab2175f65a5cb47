//! Plots as SVG.

use crate::columns::Column;
use crate::curves::{Axes, Line};
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const SIZE: (u32, u32) = (760, 460);
const FONT: &str = "sans-serif";

fn colour(column: Column) -> RGBColor {
    match column {
        Column::Lunation => RGBColor(200, 30, 60),
        Column::TokioSet | Column::TokioRuntime | Column::TokioSpawn => RGBColor(50, 90, 200),
        Column::Smol | Column::RawEpoll => RGBColor(120, 120, 120),
        Column::Monoio => RGBColor(30, 150, 90),
        Column::Node => RGBColor(200, 140, 0),
        _ => RGBColor(130, 60, 160),
    }
}

/// Draws lines over a logarithmic size, in nanoseconds on a logarithmic scale.
pub fn curves(file: &Path, axes: &Axes, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let sizes = points().map(|point| point.0);
    let (first, last) = (sizes.clone().min().unwrap_or(1), sizes.max().unwrap_or(2));
    let times = points().map(|point| point.1);
    let least = times.clone().fold(f64::MAX, f64::min).max(0.1);
    let most = times.fold(1.0, f64::max);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(axes.title, (FONT, 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(
            (first as f64..last as f64).log_scale(),
            // The legend stands above the lines.
            (least * 0.7..most * 12.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(axes.axis)
        .y_desc("ns per operation")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        let colour = colour(line.series.column);
        // Lines of one runtime differ in width.
        let same = lines[..index].iter().filter(|other| other.series.column == line.series.column);
        let style = colour.stroke_width(3_u32.saturating_sub(same.count() as u32).max(1));
        let points: Vec<(f64, f64)> = line.points.iter().map(|p| (p.0 as f64, p.1)).collect();
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))?
            .label(line.series.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 12))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Draws one bar for each runtime, in nanoseconds on a logarithmic scale.
pub fn bars(file: &Path, title: &str, bars: &[(Column, f64)]) -> Result<(), Box<dyn Error>> {
    let most = bars.iter().map(|bar| bar.1).fold(10.0, f64::max);
    let height = 60 + 24 * bars.len() as u32;
    let area = SVGBackend::new(file, (SIZE.0, height)).into_drawing_area();
    area.fill(&WHITE)?;
    area.titled(title, (FONT, 16))?;
    let longest = f64::from(SIZE.0) - 260.0;
    for (index, (column, nanos)) in bars.iter().enumerate() {
        let top = 34 + 24 * index as i32;
        let width = (nanos / most * longest).max(1.0) as i32;
        area.draw(&Text::new(column.name(), (12, top + 2), (FONT, 13)))?;
        let corners = [(150, top), (150 + width, top + 16)];
        area.draw(&Rectangle::new(corners, colour(*column).filled()))?;
        let label = format!("{nanos:.1} ns");
        area.draw(&Text::new(label, (156 + width, top + 2), (FONT, 13)))?;
    }
    area.present()?;
    Ok(())
}
