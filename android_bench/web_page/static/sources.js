// Where pixels come from: a picture, a clip, the camera.

/** The most pixels of an enlarged picture; phones have room for it several times. */
const MAX_OUTPUT_PIXELS = 2 ** 23;

/** The RGBA pixels of a picture file, of its middle where it is too large to be enlarged `scale` times. */
export async function readPicture(blob, scale) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error('This browser cannot read the file as a picture.');
  }
  try {
    return pixelsOf(bitmap, bitmap.width, bitmap.height, scale);
  } finally {
    bitmap.close();
  }
}

/** The RGBA pixels that an image or video shows, of its middle where it is too large. */
export function pixelsOf(image, fullWidth, fullHeight, scale) {
  const share = Math.min(1, Math.sqrt(MAX_OUTPUT_PIXELS / (scale * scale * fullWidth * fullHeight)));
  const width = Math.max(1, Math.floor(fullWidth * share));
  const height = Math.max(1, Math.floor(fullHeight * share));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff'; // transparent pixels are shown on white
  context.fillRect(0, 0, width, height);
  const [left, top] = [Math.floor((fullWidth - width) / 2), Math.floor((fullHeight - height) / 2)];
  context.drawImage(image, left, top, width, height, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const note = share < 1 ? `the middle of ${fullWidth}×${fullHeight}, which is too large to enlarge as a whole` : '';
  return { width, height, rgba: data.buffer, note };
}

/** Opens a clip in a video element, muted and repeated. */
export async function openClip(video, file) {
  closeVideo(video);
  video.src = URL.createObjectURL(file);
  video.loop = true;
  await started(video, 'This browser cannot play the clip.');
}

/** Opens the camera in a video element, at about a size. */
export async function openCamera(video, [width, height]) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error('The camera needs a page that is served over https, or from this machine (localhost).');
  }
  closeVideo(video);
  const wanted = { width: { ideal: width }, height: { ideal: height }, facingMode: { ideal: 'environment' } };
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(CAMERA_ERRORS[error.name] ?? `The camera cannot be used: ${error.message}`);
  }
  await started(video, 'The camera gives no picture.');
}

const CAMERA_ERRORS = {
  NotAllowedError: 'The camera was not allowed. Allow it for this page, and try again.',
  NotFoundError: 'This device has no camera.',
  NotReadableError: 'The camera is in use by another program.',
};

/** Ends a clip or the camera. */
export function closeVideo(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute('src');
  video.load();
}

/** Waits for the next frame of a video; returns the number of frames presented so far, or null where it is not known. */
export function nextFrame(video) {
  if (!video.requestVideoFrameCallback) return new Promise((resolve) => requestAnimationFrame(() => resolve(null)));
  return new Promise((resolve) => {
    video.requestVideoFrameCallback((_, { presentedFrames }) => resolve(presentedFrames));
  });
}

async function started(video, message) {
  try {
    await video.play();
  } catch (error) {
    closeVideo(video);
    throw new Error(error.name === 'AbortError' ? 'Another source was chosen.' : message);
  }
}
