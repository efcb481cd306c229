/**
 * webhooks/: tells others by HTTP what happened to models: signed, in order, at least once, from the event log of any
 * store, by one node at a time.
 */
export { Deliverer, type DelivererOptions, type DeliveryTrouble } from './deliverer.js';
export { addWebhook, listWebhooks, removeWebhook, testWebhook } from './webhooks.js';
export type { AddedWebhook, NewWebhook, Webhook, WebhookState } from './webhooks.js';
export type { Attempt } from './post.js';
