import { describe, expect, it } from 'vitest';
import { planSession } from '../../../src/formats/index.js';
import { rehearsalFiles, REHEARSED_TASK } from '../../../src/runners/onnx/rehearsal.js';
import { detectTask, openTask } from '../../../src/tasks/index.js';

describe('the model that a runner rehearses with', () => {
  it('is one that modelkeep serves, with the parts that a checkpoint has', async () => {
    const files = rehearsalFiles();
    const plan = await planSession(files);
    expect(plan.inputs.map(({ name }) => name)).toEqual(['input_ids', 'attention_mask', 'token_type_ids']);
    expect(plan.outputs).toEqual([{ name: 'logits', type: 'float32', dims: [-1, 2] }]);
    expect(await detectTask(files)).toBe(REHEARSED_TASK);
    const task = await openTask(files, { task: REHEARSED_TASK });
    const [encoding] = (await task.prepare({ inputs: 'word7 nowhere' })).encodings;
    expect(encoding?.ids).toEqual([2, 12, 1, 3]);
  });
});
