"""A satellite-imagery asset manager with quota control.

**model** says what things are. **rules** say what should happen. Six folders touch the world, each in one way:
**planet** talks, **library** remembers, **transfer** moves bytes, **raster** cuts pixels, **sites** hold copies elsewhere,
**export** writes what others read. **flow** walks the path. **manager** is the door; **blocking** is the same door
without await. **cli**, **service** and **compat** knock on it. **view** draws. **sandbox** plays Planet.
"""
