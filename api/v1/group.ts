/** The API group of our kinds. */
export const group = 'mesocosm.dev';
export const version = 'v1';
export const apiVersion = 'mesocosm.dev/v1';
