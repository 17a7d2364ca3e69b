"""A static page that runs models in a browser with LiteRT.js: pictures, clips, camera, and milliseconds."""
