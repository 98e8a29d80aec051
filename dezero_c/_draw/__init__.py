"""What is shown: graphs (trace, dot, layout, svg, html), curves (chart), progress."""
